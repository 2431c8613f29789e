/* What the drafts of each decoder came to, over all prompts: how many, how long, and how often the
   guess at each position was right.

     const told = draftsOf(runs)             sums over runs, whose figures have their `acceptance`
     drawDrafts(details, groups)             a row per decoder that drafts; hidden where none does

   A share is of the drafts that reach its position. */

const COUNTS = ["Cells scored", "Drafts", "Drafted", "Accepted"];

/** The drafts of several runs together. */
function draftsOf(runs) {
  const each = runs.map((run) => run.figures.acceptance);
  const sum = (count) => each.reduce((total, one) => total + count(one), 0);
  const drafts = sum((one) => one.drafts);
  const deepest = Math.max(0, ...each.map((one) => one.offered_at_depth.length));
  const at = (name) => Array.from({ length: deepest }, (_, k) => sum((one) => one[name][k] || 0));
  const [offered, accepted] = [at("offered_at_depth"), at("accepted_at_depth")];
  return {
    cells: runs.reduce((total, run) => total + run.figures.cells, 0),
    drafts,
    drafted: sum((one) => one.drafted),
    accepted: sum((one) => one.accepted),
    length: drafts ? sum((one) => one.drafts * one.acceptance_length) / drafts : 0,
    shares: offered.map((many, k) => accepted[k] / many),
  };
}

function drawDrafts(details, groups) {
  const names = [...new Set(groups.flatMap((group) => group.runs.map((run) => run.decoder)))];
  const ran = (name) => groups.flatMap((group) => group.runs.filter((run) => run.decoder === name));
  const rows = names.map((name) => ({ name, ...draftsOf(ran(name)) })).filter((row) => row.drafts);
  const deepest = Math.max(0, ...rows.map((row) => row.shares.length));
  const positions = Array.from({ length: deepest }, (_, k) => `${k + 1}`);
  details.hidden = !rows.length;
  details.querySelector("table").replaceChildren(
    make("thead", "", make("tr", "", ...["Decoder", ...COUNTS, ...positions].map(columnOf))),
    make("tbody", "", ...rows.map((row) => draftsRow(row, deepest)))
  );
}

function columnOf(name, n) {
  return heading(name, n ? "number" : "");
}

function draftsRow({ name, cells, drafts, drafted, accepted, shares }, deepest) {
  const head = make("th", "", name);
  head.scope = "row";
  const counts = [cells, drafts, drafted, accepted].map((count) => make("td", "number", `${count}`));
  const each = Array.from({ length: deepest }, (_, k) => {
    const cell = make("td", "number share", k < shares.length ? `${Math.round(100 * shares[k])} %` : "");
    cell.style.setProperty("--p", shares[k] || 0);
    return cell;
  });
  return make("tr", "", head, ...counts, ...each);
}
