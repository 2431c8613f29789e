/* The table of results: a row per decoder over all prompts, its speed-up on each prompt beside it.

     drawResults(table, groups, choose)      choose(prompt, decoder) is called for a clicked figure

   Rates are sums of tokens over sums of seconds, never means of rates; a speed-up is the ratio of
   two rates over the same prompts: of tokens, or of whatever the run's `work` counts. */

const FIGURES = ["Tokens/s", "Calls", "Tokens per call", "Acceptance length", "Draft time", "Verify time"];
const SHORT = ["tokens/s", "calls", "per call", "accept. length", "drafting", "verifying"];
const OF_DRAFTS = 3; // from this one on; they are shown where a decoder drafts

/** Tokens (or work) per second of several runs together. */
function rateOf(runs, counted = "tokens") {
  const sum = (name) => runs.reduce((total, run) => total + run.figures[name], 0);
  return sum("seconds") ? sum(counted) / sum("seconds") : 0;
}

/** How much faster runs are than their baselines; `groups` are theirs. */
function speedupOf(runs, groups) {
  const bases = runs.map((run, n) => groups[n].runs.find((one) => one.decoder === run.baseline));
  const base = bases.every((one) => one) ? rateOf(bases, "work") : 0;
  return base ? rateOf(runs, "work") / base : null;
}

/** What a decoder did over all prompts on which it ran. */
function summary(decoder, groups) {
  const runs = groups.map((group) => group.runs.find((run) => run.decoder === decoder));
  const ran = runs.filter((run) => run);
  const sum = (name) => ran.reduce((total, run) => total + run.figures[name], 0);
  const told = ran.filter((run) => run.figures.same_text !== null);
  return {
    decoder,
    runs,
    perSecond: rateOf(ran),
    calls: sum("calls"),
    perCall: sum("calls") ? sum("tokens") / sum("calls") : 0,
    length: draftsOf(ran).length,
    drafting: sum("draft_seconds"),
    verifying: sum("verify_seconds"),
    speedup: speedupOf(ran, groups.filter((_, n) => runs[n])),
    same: told.filter((run) => run.figures.same_text).length,
    told: told.length,
    notes: [...new Set(ran.map((run) => run.figures.note).filter((note) => note))],
  };
}

function drawResults(table, groups, choose) {
  const names = [...new Set(groups.flatMap((group) => group.runs.map((run) => run.decoder)))];
  const rows = names.map((name) => summary(name, groups));
  const most = Math.max(1, ...rows.map((row) => row.speedup || 0));
  const best = Math.max(...rows.map((row) => row.speedup || 0));
  const prompts = groups.length > 1 ? groups : [];
  table.classList.toggle("untold", rows.every((row) => !row.told)); // no column of dashes
  table.classList.toggle("undrafted", rows.every((row) => !row.length));
  table.replaceChildren(
    make("thead", "", ...headings(prompts)),
    make("tbody", "", ...rows.map((row) => resultRow(row, most, best, prompts, choose)))
  );
}

function headings(prompts) {
  const first = [
    heading("Decoder", ""),
    ...FIGURES.map((name, n) => heading(name, figureClass(n))),
    heading("Speed-up", ""),
    heading("Same text", "same"),
  ];
  const rest = prompts.map((group, n) => heading(group.name, n ? "number each" : "number each from"));
  return [make("tr", "", ...first, ...rest)];
}

/** A figure that carries its column's short name, for where a narrow page has no columns. */
function labelled(cell, name) {
  cell.dataset.label = name;
  return cell;
}

function heading(name, className) {
  const cell = make("th", className, name);
  cell.scope = "col";
  return cell;
}

function resultRow(row, most, best, prompts, choose) {
  const name = make("th", "", row.decoder, ...row.notes.map((note) => make("small", "", note)));
  name.scope = "row";
  const figures = [row.perSecond.toFixed(1), row.calls, row.perCall.toFixed(2), ...draftFigures(row)];
  const cells = figures.map((value, n) => labelled(make("td", figureClass(n), `${value}`), SHORT[n]));
  const each = prompts.map((group, n) => {
    const run = row.runs[n];
    const cell = make("td", n ? "number each" : "number each from");
    if (run) cell.append(promptFigure(run, group, () => choose(n, row.decoder)));
    return cell;
  });
  const line = make("tr", "", name, ...cells, speedCell(row.speedup, most), sameCell(row), ...each);
  line.classList.toggle("best", row.speedup !== null && row.speedup === best && best > 1);
  return line;
}

function figureClass(n) {
  return n < OF_DRAFTS ? "number" : "number of-drafts";
}

/** Acceptance length, and seconds of drafting and verifying; a dash where nothing was drafted. */
function draftFigures({ length, drafting, verifying }) {
  const told = (seconds) => `${seconds.toFixed(digitsOf(seconds))} s`;
  return [length ? length.toFixed(2) : "–", drafting ? told(drafting) : "–", told(verifying)];
}

/** A prompt's speed-up, as a button that opens this run in the player. */
function promptFigure(run, group, open) {
  const { tokens_per_second: rate, same_text: same } = run.figures;
  const speedup = speedupOf([run], [group]);
  const figure = make("button", "", speedup === null ? rate.toFixed(1) : times(speedup));
  figure.type = "button";
  figure.title = `Watch ${run.decoder} on ${group.name}: ${rate.toFixed(1)} tokens/s`;
  if (same === false) {
    figure.append(make("span", "differs", " ≠"));
    figure.title += "; the text differs";
  }
  figure.addEventListener("click", open);
  return figure;
}

function speedCell(speedup, most) {
  if (speedup === null) return make("td", "of-speed", "–");
  const bar = make("i", "speed-bar");
  bar.style.width = `${(100 * speedup) / most}%`;
  const figure = make("b", "", times(speedup));
  return make("td", "of-speed", make("div", "speed", make("span", "speed-track", bar), figure));
}

function sameCell({ same, told }) {
  if (!told) return make("td", "same", "–");
  if (same === told) return make("td", "same yes", "✓ yes");
  return make("td", "same no", told === 1 ? "≠ no" : `≠ no, ${same} of ${told}`);
}

function times(factor) {
  return `${factor.toFixed(factor < 10 ? 2 : 1)}×`;
}
