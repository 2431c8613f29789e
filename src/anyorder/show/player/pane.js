/* One decoder's side of the player: its figures, its time strip, its text, and below it its draft
   tree, its lattice or its dependency graph.

     const pane = new Pane(run)          run: {decoder, figures, row, trace}; trace of readTrace
     pane.scale(longest, unit)           the common clock: its length, in "seconds" or "calls"
     pane.show(at)                       the frame at this time
     pane.showBelow("graph")             what stands below the text: "drafts" (or lattice), "graph"
     pane.grow()                         the trace of the run has more steps than before

   Knows nothing of the other panes. It sets text by textContent alone: a trace is never markup. */

/** A DOM element: `make("p", "small", "text", child, ...)`. */
function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const LONG_PROMPT = 16; // cells; of more, the last are shown
const ENDING = 110; // pixels that the word at a strip's end takes
const DOT = "\u200b·"; // an open cell; a line may end before it

const SAID = {
  given: "given: it stood there at the start",
  drafted: "drafted, and accepted by the model",
  own: "the model’s own choice",
  tentative: "tentative: it may still change",
  open: "open: not written yet",
};
const BEFELL = {
  corrected: "corrected: in place of another word",
  bonus: "bonus: one more, behind a draft that was accepted to its end",
  inserted: "inserted between others",
  reopened: "reopened: it was written before",
  moved: "moved past others by this step",
};

/** What one row of a trace needs to be replayed: frames, and running sums up to each frame. */
function reel(trace, row) {
  const frames = story(trace, row);
  const sums = [{ seconds: 0, calls: 0, drafts: 0, tokens: 0 }];
  trace.steps.forEach((step, n) => sums.push(sumAfter(sums[n], step, frames[n + 1])));
  return { frames, sums };
}

function sumAfter(last, step, frame) {
  const targets = step.calls.filter((call) => call.role === "target").length;
  return {
    seconds: last.seconds + step.seconds,
    calls: last.calls + targets,
    drafts: last.drafts + step.calls.length - targets,
    tokens: frame.cells.filter((cell) => cell.step >= 0 && cell.status >= DRAFT).length,
  };
}

/** How many cells of a frame matter: room that was left over in the end is not drawn. */
function inUse(cells, end) {
  const last = cells.findLastIndex((cell, n) => cell.status >= DRAFT || end[n]?.status === OPEN);
  return last + 1;
}

class Pane {
  constructor(run) {
    this.run = run;
    this.trace = run.trace; // a run in the making gets its own when it begins
    Object.assign(this, reel(run.trace, run.row));
    this.number = -1; // of the frame that is shown
    this.expanded = false; // whether a long prompt's cells are shown
    this.ticking = {};
    this.element = make("section", "pane");
    this.head = make("div", "pane-head");
    this.ticks = make("dl", "ticks");
    this.strip = make("div", "strip");
    this.text = make("div", "text");
    this.tree = make("div", "tree");
    this.treeNote = make("p", "tree-note");
    this.notice = make("p", "notice");
    this.notice.setAttribute("role", "status");
    this.status = make("span", "status");
    this.text.setAttribute("role", "group");
    this.text.setAttribute("aria-label", `Text written by ${run.decoder}`);
    this.tree.setAttribute("role", "group");
    this.tree.setAttribute("aria-label", "Draft tree of this call");
    this.tree.tabIndex = 0; // it may scroll
    this.strip.setAttribute("aria-hidden", "true"); // the time line says the same
    this.element.append(this.head, this.notice, this.ticks, this.strip, this.text, this.treeNote, this.tree);
    this.locked = new Set(); // cells that the reader holds fast
    this.begin = leading(this.frames[0].cells, (cell) => cell.status > DONE); // where the text begins
    this.layText();
    this.tell();
    this.below = "drafts";
    this.graph = null; // made when it is first asked for
    this.lattice = null;
    this.layTree();
  }

  /** What is known of drafts and lattices, which a trace may tell late. */
  layTree() {
    const drafts = this.frames.map((frame) => frame.draft).filter((draft) => draft);
    this.branches = Math.max(0, ...drafts.map(branchCount)); // of the widest draft tree
    this.element.classList.toggle("drafts", drafts.length > 0);
    this.lattice = this.lattice || this.ownLattice();
    if (this.lattice && !this.lattice.element.parentElement) {
      this.element.classList.add("latticed");
      this.element.append(this.lattice.element);
    }
  }

  /** Take up the steps that the trace has more than there are frames. */
  grow() {
    const { trace, row } = this.run;
    while (this.frames.length <= trace.steps.length) {
      const n = this.frames.length - 1;
      this.frames.push(nextFrame(trace, row, this.frames));
      this.sums.push(sumAfter(this.sums[n], trace.steps[n], this.frames[n + 1]));
    }
    if (inUse(this.frames[this.last].cells, this.frames[this.last].cells) > this.cells.length) this.layText();
    this.dropGraph();
    this.layTree();
  }

  /** Put "drafts" (the draft tree, or the lattice) or the dependency "graph" below the text. */
  showBelow(below) {
    this.below = below;
    this.element.classList.toggle("graphed", below === "graph");
    this.paintGraph();
  }

  dropGraph() {
    this.graph?.element.remove();
    this.graph = null;
  }

  paintGraph() {
    if (this.below !== "graph") return;
    if (!this.graph) {
      this.graph = new GraphView(this.run.trace, this.run.row, this.frames, (token) => this.piece(token));
      this.element.append(this.graph.element);
    }
    this.graph.show(Math.max(0, this.number));
  }

  /** How it stands with the run, where there is something to say. */
  tell() {
    const { kind, words } = this.run.notice || { kind: "", words: "" };
    this.notice.className = `notice ${kind}`;
    this.notice.textContent = kind === "failed" ? words : "";
    this.status.className = `status ${kind}`;
    this.status.textContent = kind === "failed" ? "" : words;
  }

  /** Hold these cells fast, as far as one sees. */
  lock(cells) {
    this.locked = cells;
    this.cells.forEach((element, n) => element.classList.toggle("locked", cells.has(n)));
  }

  /** The view of the row's lattice, or null where the trace has none. */
  ownLattice() {
    const { trace, row } = this.run;
    const entry = (trace.facts.lattice || [])[row];
    if (!entry || !entry.cells.length) return null;
    const text = this.frames[this.last].cells.slice(entry.begin).map((cell) => cell.token);
    return new LatticeView({ ...entry, text }, (token) => this.piece(token));
  }

  get last() {
    return this.frames.length - 1;
  }

  /** When each frame stands, on the common clock. */
  times(unit) {
    return this.sums.map((sum, n) => (unit === "seconds" ? sum.seconds : n));
  }

  /** A token alone: of a part of a character its bytes. */
  piece(token) {
    const { pieces, raw } = this.run.trace;
    return spell([token], pieces, raw).texts[0];
  }

  /** The text of a frame, cell by cell, and where what a cell goes on with begins (see spell). */
  spelling(number) {
    const { pieces, raw } = this.run.trace;
    return spell(this.frames[number].cells.map((cell) => (cell.status >= DRAFT ? cell.token : null)), pieces, raw);
  }

  /** The cells of the last frame that spell the same sign as this one. */
  together(n) {
    const { heads } = this.spelling(this.last);
    let [first, end] = [n, n + 1];
    while (heads[first] < first) first -= 1;
    while (heads[end] < end) end += 1;
    return Array.from({ length: end - first }, (_, k) => first + k);
  }

  /** Lay one element per cell, and leave room for the whole text so that nothing jumps. */
  layText() {
    const end = this.frames[this.last].cells;
    const width = Math.max(...this.frames.map(({ cells }) => inUse(cells, end)));
    const given = this.begin;
    this.hidden = this.expanded ? 0 : this.unseen(given);
    this.cells = Array.from({ length: width }, (_, n) => {
      const cell = make("span", "cell");
      cell.dataset.cell = n;
      cell.tabIndex = -1;
      return cell;
    });
    this.painted = [];
    this.text.style.minHeight = "";
    this.text.replaceChildren(...this.cells.slice(this.hidden));
    if (this.hidden) {
      const more = make("button", "more", `${this.hidden} given cells …`);
      more.type = "button";
      more.addEventListener("click", () => {
        this.expanded = true;
        this.layText();
        this.paint(this.number);
      });
      this.text.prepend(more, " ");
    }
    const words = end.map((cell) => this.piece(cell.token)).join("");
    this.text.classList.toggle("code", /\n( {2,}|\t)\S|```/.test(words));
    if (this.cells[this.hidden]) this.cells[this.hidden].tabIndex = 0;
    this.number = -1;
  }

  /** How many cells of a long prompt are not shown: all but its last line, or the end of that. */
  unseen(given) {
    if (given <= LONG_PROMPT) return 0;
    const cells = this.frames[0].cells.slice(0, given);
    const line = cells.findLastIndex((cell) => this.piece(cell.token).includes("\n")) + 1;
    return Math.max(line, given - LONG_PROMPT / 2);
  }

  /** Leave room for the finished text, so that nothing jumps while it is written. */
  settle() {
    const number = Math.max(0, this.number);
    this.text.style.minHeight = "";
    this.paint(this.last);
    this.text.style.minHeight = `${this.text.offsetHeight}px`;
    this.paint(number);
  }

  /** Draw the time strip: a bar per step, as wide as it took, as high as it wrote. */
  scale(longest, unit) {
    this.unit = unit;
    this.at = this.times(unit);
    const wrote = this.sums.map((sum, n) => (n ? sum.tokens - this.sums[n - 1].tokens : 0));
    const most = Math.max(4, ...wrote);
    const bars = this.frames.slice(1).map((frame, n) => {
      const free = frame.draft ? frame.draft.accepted.length : 0;
      const bar = make("i", "bar");
      bar.style.left = `${(100 * this.at[n]) / longest}%`;
      bar.style.width = `${(100 * (this.at[n + 1] - this.at[n])) / longest}%`;
      bar.style.setProperty("--drafted", Math.max(0, free) / most);
      bar.style.setProperty("--rest", Math.max(0, wrote[n + 1] - free) / most);
      return bar;
    });
    this.veil = make("i", "veil");
    this.strip.replaceChildren(...bars, this.veil);
    this.longest = longest;
    const room = (1 - this.at[this.last] / longest) * (this.strip.clientWidth || 400);
    if (this.last > 0 && room > ENDING) this.strip.append(this.ending());
  }

  /** A word in the strip where a shorter run ends. */
  ending() {
    const { seconds } = this.sums[this.last];
    const whole = seconds.toFixed(digitsOf(seconds));
    const word = make("span", "ending", this.unit === "seconds" ? `done in ${whole} s` : "done");
    word.style.left = `${(100 * this.at[this.last]) / this.longest}%`;
    return word;
  }

  /** Show the frame that stands at time `at`. */
  show(at) {
    let number = 0;
    while (number < this.last && this.at[number + 1] <= at + 1e-9) number++;
    this.veil.style.left = `${Math.min(100, (100 * at) / this.longest)}%`;
    this.paintTicks(number, at);
    if (number !== this.number) this.paint(number);
  }

  paint(number) {
    const frame = this.frames[number];
    this.number = number;
    this.spelt = this.spelling(number);
    this.cells.forEach((element, n) => {
      const cell = frame.cells[n] || null;
      const fresh = cell !== null && number > 0 && cell.step === number - 1;
      const words = cell && cell.origin !== "open" ? this.spelt.texts[n] : DOT;
      const before = this.painted[n];
      if (before && before.cell === cell && before.fresh === fresh && before.words === words) return;
      this.painted[n] = { cell, fresh, words };
      paintCell(element, cell, words, fresh);
      element.classList.toggle("tail", !words && this.spelt.heads[n] < n);
      element.classList.toggle("held", n >= this.begin && cell?.origin === "given");
      element.classList.toggle("locked", this.locked.has(n));
    });
    this.paintTree(number);
    this.paintGraph();
    this.element.classList.toggle("finished", number === this.last);
    this.element.classList.toggle("begun", number > 0);
  }

  paintTicks(number, at) {
    const sum = this.sums[number];
    const per = sum.calls ? sum.tokens / sum.calls : 0;
    const seconds = this.unit === "seconds" ? Math.min(at, this.at[this.last]) : sum.seconds;
    this.tick("calls", sum.calls, sum.calls === 1 ? "call" : "calls");
    if (this.sums[this.last].drafts) this.tick("draft calls", sum.drafts);
    this.tick("seconds", seconds.toFixed(digitsOf(this.sums[this.last].seconds)));
    this.tick("tokens", sum.tokens);
    this.tick("per call", per.toFixed(2));
  }

  tick(name, value, label = name) {
    if (!this.ticking[name]) {
      this.ticking[name] = { label: make("dt"), value: make("dd") };
      this.ticks.append(make("div", "", this.ticking[name].label, this.ticking[name].value));
    }
    this.ticking[name].label.textContent = label;
    this.ticking[name].value.textContent = value;
  }

  paintTree(number) {
    const { draft } = this.frames[number];
    const grown = draft ? drawTree(this.grown(number), (token) => this.piece(token)) : [];
    this.tree.replaceChildren(...grown);
    this.tree.scrollTo(0, 0);
    if (!this.element.classList.contains("drafts")) {
      this.treeNote.textContent = "No drafts: every call writes its own.";
    } else if (draft) {
      const cells = draft.tokens.length === 1 ? "1 cell" : `${draft.tokens.length} cells`;
      this.treeNote.textContent =
        `Call ${this.sums[number].calls} checked ${cells}, accepted ${draft.accepted.length}`;
    } else {
      this.treeNote.textContent = number ? "This call checked no draft." : "Nothing is written yet.";
    }
  }

  /** The draft of a frame, with its root and with what the model wrote below the accepted path. */
  grown(number) {
    const { draft, frontier: end, cells } = this.frames[number];
    const before = this.frames[number - 1];
    const own = cells.slice(before.frontier + draft.accepted.length, end).map((cell) => cell.token);
    return { ...draft, root: before.cells[before.frontier - 1].token, own };
  }

  /** What is told of an element that was pointed at: a cell, a site or a chip. */
  told(element) {
    const { site, chip, cell } = element.dataset;
    if (site !== undefined) return this.lattice.about(Number(site));
    return chip === undefined ? this.about(Number(cell)) : this.graph.about(Number(chip));
  }

  /** What is known of a cell as it is shown now: lines of text, the first one the token. */
  about(n) {
    const cell = this.frames[Math.max(0, this.number)].cells[n];
    if (!cell || cell.origin === "pad") return null;
    const lines = [SAID[cell.origin]];
    if (cell.mark) lines.push(BEFELL[cell.mark]);
    const sign = this.signOf(n);
    if (sign) lines.push(sign);
    if (cell.step >= 0 && cell.origin !== "open") {
      const sum = this.sums[cell.step + 1];
      if (cell.logprob !== null) lines.push(`probability ${percent(Math.exp(cell.logprob))}`);
      lines.push(`written by call ${sum.calls}, at ${sum.seconds.toFixed(3)} s`);
    }
    const token = cell.origin === "open" ? "" : this.piece(cell.token);
    return { origin: cell.origin, token, id: `token ${cell.token}`, lines, choices: this.choices(cell) };
  }

  /** Of a cell that spells a sign together with others: which one, and with how many. */
  signOf(n) {
    const { texts, heads } = this.spelt;
    const head = heads[n] < n ? heads[n] : n;
    let end = head + 1;
    while (heads[end] === head) end += 1;
    if (end === head + 1) return "";
    return `part ${n - head + 1} of ${end - head} of “${texts[head].trim()}”`;
  }

  /** What the cell might have held, the likeliest first; undefined where it is not told. */
  choices(cell) {
    if (!cell.others) return undefined;
    const known = cell.others.some(([token]) => token === cell.token);
    const all = known ? cell.others : [...cell.others, [cell.token, cell.logprob]];
    return all.map(([token, logprob]) => ({
      words: spelled(this.piece(token)),
      p: Math.exp(logprob),
      chosen: token === cell.token,
    }));
  }
}

/** Decimals of seconds: what is over in less than one is told in thousandths. */
function digitsOf(seconds) {
  return seconds < 1 ? 3 : 2;
}

function percent(p) {
  return p >= 0.9995 ? "100 %" : `${(100 * p).toFixed(p < 0.01 ? 3 : 1)} %`;
}

/** One cell: its class says its origin, and a line end is seen before it is obeyed. */
function paintCell(element, cell, piece, fresh) {
  element.className = cell ? `cell ${cell.origin} ${cell.mark}${fresh ? " fresh" : ""}` : "cell pad";
  element.replaceChildren();
  if (!cell || cell.origin === "pad") return;
  piece.replaceAll("\r\n", "\n").split("\n").forEach((line, n) => {
    if (n) element.append(make("i", "line-end", "↵"), "\n");
    if (line) element.append(line);
  });
}
