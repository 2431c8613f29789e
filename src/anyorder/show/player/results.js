/* The table of results: a row per decoder over all prompts, its speed-up on each prompt beside it.

     drawResults(table, groups, choose)      choose(prompt, decoder) is called for a clicked figure

   Sums are over tokens and seconds, never means of rates. The baseline has a speed-up of 1. */

const FIGURES = ["Tokens/s", "Calls", "Tokens per call"];

/** What a decoder did over all prompts on which it ran. `speedup` weighs each prompt by its time. */
function summary(decoder, groups) {
  const runs = groups.map((group) => group.runs.find((run) => run.decoder === decoder));
  const ran = runs.filter((run) => run).map((run) => run.figures);
  const sum = (pick) => ran.reduce((total, figures) => total + (pick(figures) || 0), 0);
  const timed = ran.every((figures) => figures.speedup !== null);
  const told = ran.filter((figures) => figures.same_text !== null);
  return {
    decoder,
    runs,
    perSecond: sum((f) => f.tokens) / sum((f) => f.seconds),
    calls: sum((f) => f.calls),
    perCall: sum((f) => f.tokens) / sum((f) => f.calls),
    speedup: timed ? sum((f) => f.speedup * f.seconds) / sum((f) => f.seconds) : null,
    same: told.filter((figures) => figures.same_text).length,
    told: told.length,
    notes: [...new Set(ran.map((figures) => figures.note).filter((note) => note))],
  };
}

function drawResults(table, groups, choose) {
  const names = [...new Set(groups.flatMap((group) => group.runs.map((run) => run.decoder)))];
  const rows = names.map((name) => summary(name, groups));
  const most = Math.max(1, ...rows.map((row) => row.speedup || 0));
  const best = Math.max(...rows.map((row) => row.speedup || 0));
  const prompts = groups.length > 1 ? groups : [];
  table.replaceChildren(
    make("thead", "", ...headings(prompts)),
    make("tbody", "", ...rows.map((row) => resultRow(row, most, best, prompts, choose)))
  );
}

function headings(prompts) {
  const first = [
    heading("Decoder", ""),
    ...FIGURES.map((name) => heading(name, "number")),
    heading("Speed-up", ""),
    heading("Same text", ""),
  ];
  const rest = prompts.map((group, n) => heading(group.name, n ? "number each" : "number each from"));
  return [make("tr", "", ...first, ...rest)];
}

/** A figure that carries its column's name, for where a narrow page has no columns. */
function labelled(cell, name) {
  cell.dataset.label = name.toLowerCase();
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
  const figures = [row.perSecond.toFixed(1), row.calls, row.perCall.toFixed(2)];
  const cells = figures.map((value, n) => labelled(make("td", "number", `${value}`), FIGURES[n]));
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

/** A prompt's speed-up, as a button that opens this run in the player. */
function promptFigure(run, group, open) {
  const { speedup, tokens_per_second: rate, same_text: same } = run.figures;
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
