/* The dependency graph of a decoding: which token waited for which. A column a step, time to the
   right; tokens of one column were decided at once.

     const graph = new GraphView(trace, row, frames, piece)     piece(token): its text
     graph.element; graph.about(cell); graph.show(number)       number: of the frame that is shown

   Of Jacobi decoding it is told when a token was first said for good, and what that call had new to
   read (twin of show/dependencies.py; Santilli et al. 2023, arXiv:2305.10427, section 3.4). Of all
   others, when it was written: it waited for what the step before wrote, which was new to it.
   It sets text by textContent alone. */

const GAP = 30, LEVEL = 30; // pixels between columns, and from one row to the next
const MOST_EDGES = 48; // between two columns that are drawn without being asked for

/** {kind, cells: Map(cell -> {token, call, waitedFor})}: `kind` is "settled" or "written". */
function dependencies(trace, row, frames) {
  if (/^jacobi/i.test(trace.facts.decoder || "")) {
    try {
      return { kind: "settled", cells: settledCells(trace, row) };
    } catch {
      // its guesses branch, or forced cells stand between them: it is told like any other
    }
  }
  return { kind: "written", cells: writtenCells(frames.at(-1).cells) };
}

function writtenCells(cells) {
  const levels = new Map();
  cells.forEach((cell, n) => {
    if (cell.step >= 0 && cell.status >= DRAFT) levels.set(cell.step, [...(levels.get(cell.step) || []), n]);
  });
  const found = new Map();
  let before = [];
  for (const call of [...levels.keys()].sort((a, b) => a - b)) {
    for (const n of levels.get(call)) found.set(n, { token: cells[n].token, call, waitedFor: before });
    before = levels.get(call);
  }
  return found;
}

/** Each written token of Jacobi decoding, and the call that first said it for good. */
function settledCells(trace, row) {
  const { final, said } = saidOf(trace, row);
  const settled = new Map();
  for (const cell of [...final.keys()].sort((a, b) => a - b)) {
    const calls = [...said.keys()].filter((call) => said.get(call).has(cell)).sort((a, b) => a - b);
    const wrong = calls.findLast((call) => said.get(call).get(cell) !== final.get(cell)) ?? -1;
    settled.set(cell, calls.find((call) => call > wrong));
  }
  const found = new Map();
  for (const [cell, call] of settled) {
    const waitedFor = [...settled].filter(([q, when]) => q < cell && when === call - 1).map(([q]) => q);
    found.set(cell, { token: final.get(cell), call, waitedFor });
  }
  return found;
}

/** The tokens that a row was given for good, and what each call said of each cell. */
function saidOf(trace, row) {
  const status = trace.start.status[row];
  const begin = leading(status, (s) => s >= DONE);
  if (status.slice(begin).some((s) => s > DONE)) throw new Error("forced cells");
  let end = begin, heard = begin;
  const final = new Map(), said = new Map();
  const note = (call, first, tokens) => {
    if (!said.has(call)) said.set(call, new Map());
    tokens.forEach((token, n) => said.get(call).set(first + n, token));
  };
  trace.steps.forEach((step, number) => {
    const calls = step.calls.filter((call) => call.role === "target");
    if (calls.length !== 1) throw new Error("more than one call");
    const guesses = number ? guessesOf(calls[0], row) : [];
    note(number - 1, end, guesses.slice(0, Math.max(heard - end, 0))); // the rest are copies
    heard = end + guesses.length + 1;
    let wrote = 0;
    for (const [b, n, token, s] of step.changes) {
      if (b !== row || s !== DONE) continue;
      final.set(n, token);
      note(number, n, [token]);
      wrote++;
    }
    end += wrote;
  });
  return { final, said };
}

/** The guesses of a row behind its last final token, without padding. */
function guessesOf(call, row) {
  const tokens = call.tokens_BT[row];
  const parents = call.parents_BT ? call.parents_BT[row] : tokens.map((_, t) => t - 1);
  if (parents.some((above, t) => above !== -2 && above !== t - 1)) throw new Error("branches");
  return tokens.filter((_, t) => parents[t] > -2).slice(1);
}

/** Where each cell stands: {cell: {x, y, width}}, the columns, and the size of all. */
function layGraph(cells, widthOf) {
  const calls = [...new Set([...cells.values()].map(({ call }) => call))].sort((a, b) => a - b);
  const places = new Map(), columns = [];
  let x = 0, tallest = 0;
  for (const call of calls) {
    const here = [...cells].filter(([, one]) => one.call === call).map(([n]) => n).sort((a, b) => a - b);
    const width = Math.max(...here.map(widthOf));
    here.forEach((n, y) => places.set(n, { x, y, width: widthOf(n) }));
    columns.push({ call, x, width });
    x += width + GAP;
    tallest = Math.max(tallest, here.length);
  }
  return { places, columns, width: Math.max(0, x - GAP), rows: tallest };
}

class GraphView {
  constructor(trace, row, frames, piece) {
    Object.assign(this, dependencies(trace, row, frames));
    this.piece = piece;
    this.final = frames.at(-1).cells;
    const widthOf = (n) => Math.min(120, Math.max(26, 14 + 7.6 * this.words(n).length));
    Object.assign(this, { layout: layGraph(this.cells, widthOf) });
    this.ground = make("div", "ground");
    this.ground.style.width = rem(this.layout.width);
    this.ground.style.height = rem(this.layout.rows * LEVEL + 22);
    this.heads = this.layout.columns.map((column) => this.head(column));
    this.chips = new Map([...this.cells.keys()].sort((a, b) => a - b).map((n) => [n, this.chip(n)]));
    this.edges = [];
    this.ground.append(this.drawing(), ...this.heads, ...this.chips.values());
    this.scroll = make("div", "graph-scroll", this.ground);
    this.scroll.setAttribute("role", "group");
    this.scroll.setAttribute("aria-label", "Which token waited for which");
    this.element = make("figure", "waits", this.scroll, make("figcaption", "", this.reading()));
    const first = this.chips.values().next().value;
    if (first) first.tabIndex = 0;
  }

  words(n) {
    return brief(this.piece(this.cells.get(n).token));
  }

  reading() {
    const [tokens, steps] = [this.cells.size, this.layout.columns.length];
    if (!tokens) return "Nothing is written yet.";
    const many = `${tokens} tokens in ${steps} ${steps === 1 ? "column" : "columns"}: those of one column were decided at once.`;
    const waited =
      this.kind === "settled"
        ? "A token waited for those that were settled in the call before it."
        : "Each waited for what the step before it wrote.";
    return `${many} ${waited} Point at one to see its own.`;
  }

  head({ call, x, width }) {
    const head = make("span", "level", `${call + 1}`);
    head.style.left = rem(x);
    head.style.width = rem(width);
    return head;
  }

  chip(n) {
    const { x, y, width } = this.layout.places.get(n);
    const { origin, mark } = this.final[n];
    const chip = make("span", `cell chip ${origin} ${mark}`, this.words(n));
    chip.style.left = rem(x);
    chip.style.top = rem(22 + y * LEVEL);
    chip.style.width = rem(width);
    chip.dataset.chip = n;
    chip.tabIndex = -1;
    return chip;
  }

  drawing() {
    const svg = document.createElementNS(SVG, "svg");
    const height = this.layout.rows * LEVEL + 22;
    svg.setAttribute("viewBox", `0 0 ${this.layout.width || 1} ${height}`);
    svg.setAttribute("aria-hidden", "true");
    svg.style.width = rem(this.layout.width);
    svg.style.height = rem(height);
    const many = new Map();
    for (const { call, waitedFor } of this.cells.values()) {
      many.set(call, (many.get(call) || 0) + waitedFor.length);
    }
    for (const [to, { call, waitedFor }] of this.cells) {
      for (const from of waitedFor) this.edges.push(this.edge(from, to, many.get(call) > MOST_EDGES));
    }
    svg.append(...this.edges.map((edge) => edge.path));
    return svg;
  }

  edge(from, to, crowded) {
    const a = this.layout.places.get(from), b = this.layout.places.get(to);
    const path = document.createElementNS(SVG, "path");
    const [x, y, u, v] = [a.x + a.width, 35 + a.y * LEVEL, b.x, 35 + b.y * LEVEL];
    const bend = Math.max(10, (u - x) / 2);
    path.setAttribute("d", `M${x} ${y}C${x + bend} ${y} ${u - bend} ${v} ${u} ${v}`);
    if (crowded) path.setAttribute("class", "crowded");
    return { from, to, path };
  }

  /** Make the ways that lead to a cell heavy; null: none. */
  point(cell) {
    for (const { to, from, path } of this.edges) {
      path.classList.toggle("taken", to === cell);
      if (to === cell) this.chips.get(from)?.classList.add("pointed");
    }
  }

  about(n) {
    const { call, waitedFor, token } = this.cells.get(n);
    const { origin } = this.final[n];
    const names = waitedFor.slice(0, 6).map((q) => `“${this.words(q)}”`);
    if (waitedFor.length > 6) names.push(`${waitedFor.length - 6} more`);
    const first = this.kind === "settled" ? "first said for good by" : "written in";
    const lines = [`${first} step ${call + 1}`];
    lines.push(names.length ? `it waited for ${names.join(", ")}` : "it waited for the prompt alone");
    return { origin, token: this.piece(token), id: `cell ${n + 1}`, lines };
  }

  /** The frame that is shown: what it has not yet is faint, its column is in sight. */
  show(number) {
    this.layout.columns.forEach(({ call, x }, n) => {
      this.heads[n].classList.toggle("now", call === number - 1);
      if (call === number - 1) {
        const at = x * (parseFloat(getComputedStyle(document.documentElement).fontSize) / REM);
        const { scrollLeft: left, clientWidth: width } = this.scroll;
        if (at < left || at > left + width - 90) this.scroll.scrollLeft = Math.max(0, at - width / 2);
      }
    });
    for (const [n, chip] of this.chips) chip.classList.toggle("later", this.cells.get(n).call >= number);
  }
}
