/* The trace format in a browser. Twin of show/provenance.py: both must tell the same story.

     const trace = readTrace(lines, pieces)      lines: the parsed JSON lines of a trace
     const frames = story(trace, row)            frames of one row, before and after each step

   A frame is {cells, draft, frontier}. A cell is {token, status, logprob, origin, step, mark}, and
   has `others` where its alternatives are told; cells that did not change are the same object in
   the next frame, so a view can tell what to redraw. A trace that is still being written grows:
   push the step to trace.steps, then frames.push(nextFrame(trace, row, frames)). */

const PAD = 0, OPEN = 1, DRAFT = 2, DONE = 3;
const ORIGIN = ["pad", "open", "tentative", "own", "given"]; // by status

/** A trace of its parsed lines: a header, a line a step, a footer (missing if it was cut off).
    `pieces` are texts of tokens that the footer does not name; `raw`, in the trace, the bytes of
    those that are parts of characters (see spelling.js). */
function readTrace(lines, pieces = {}) {
  const [header, ...rest] = lines;
  if (!header || header.anyorder_trace !== 1) throw new Error("this is no anyorder trace of format 1");
  const footer = rest.find((line) => line.facts !== undefined) || { facts: {}, pieces: {} };
  return {
    start: header,
    steps: rest.filter((line) => line.calls !== undefined),
    facts: footer.facts,
    pieces: { ...pieces, ...footer.pieces },
    raw: footer.bytes || {},
  };
}

/** The frames of a row: before the first step, and after each. */
function story(trace, row = 0) {
  const { tokens, status, logprobs } = trace.start;
  const cells = tokens[row].map((token, n) => makeCell(token, status[row][n], logprobs[row][n], -1));
  const frames = [{ cells, draft: null, frontier: frontier(cells) }];
  while (frames.length <= trace.steps.length) frames.push(nextFrame(trace, row, frames));
  return frames;
}

/** The frame after the last of `frames`. */
function nextFrame(trace, row, frames) {
  const { tokens, status } = trace.start;
  const prompts = tokens.map((line, b) => line.slice(0, leading(status[b], (s) => s >= DONE)));
  const number = frames.length - 1;
  return frameAfter(frames[number], trace.steps[number], number, row, prompts);
}

function makeCell(token, status, logprob, step, mark = "") {
  return { token, status, logprob, origin: ORIGIN[status], step, mark };
}

function leading(items, holds) {
  const end = items.findIndex((item) => !holds(item));
  return end < 0 ? items.length : end;
}

function frontier(cells) {
  return leading(cells, (cell) => cell.status >= DONE);
}

function frameAfter(before, step, number, row, prompts) {
  let cells = before.cells.map((cell) => (cell.mark === "moved" ? { ...cell, mark: "" } : cell));
  if (step.origin) cells = rearranged(cells, step.origin[row], number);
  for (const [b, n, token, status, logprob] of step.changes) {
    if (b === row) cells[n] = makeCell(token, status, logprob, number, markOf(cells[n], token, status));
  }
  for (const [b, n, others] of step.alternatives || []) {
    if (b === row && cells[n]) cells[n] = { ...cells[n], others };
  }
  const draft = step.origin ? null : checkedDraft(before, step, row, prompts);
  const end = frontier(cells);
  if (draft) {
    const written = cells.slice(before.frontier, end).map((cell) => cell.token);
    draft.accepted = walk(draft, written);
    for (let n = before.frontier; n < before.frontier + draft.accepted.length; n++) {
      if (cells[n].origin !== "given") cells[n] = { ...cells[n], origin: "drafted" };
    }
    const own = before.frontier + draft.accepted.length;
    const tip = draft.accepted.length ? draft.accepted.at(-1) : -1;
    if (written.length > draft.accepted.length && cells[own].origin !== "given") {
      const guessed = draft.parents.includes(tip); // a guess hung here, and was refused
      cells[own] = { ...cells[own], mark: guessed ? "corrected" : "bonus" };
    }
  }
  return { cells, draft, frontier: end };
}

/** The cells where `origin` puts them; those that it puts past others are marked. */
function rearranged(cells, origin, number) {
  const stay = inOrder(origin);
  return origin.map((from, n) => {
    if (from < 0) return makeCell(0, PAD, 0, number, "inserted");
    return stay.has(n) ? cells[from] : { ...cells[from], mark: "moved" };
  });
}

/** The most places that keep the order in which their cells stood (the first, of several). */
function inOrder(origin) {
  const length = new Map(), above = new Map();
  let best = -1;
  origin.forEach((from, n) => {
    if (from < 0) return;
    let tip = -1;
    for (const m of length.keys()) {
      if (origin[m] <= from && (tip < 0 || length.get(m) > length.get(tip))) tip = m;
    }
    above.set(n, tip);
    length.set(n, 1 + (length.get(tip) || 0));
    if (best < 0 || length.get(n) > length.get(best)) best = n;
  });
  const kept = new Set();
  for (let n = best; n >= 0; n = above.get(n)) kept.add(n);
  return kept;
}

/** What a change makes of a cell. */
function markOf(old, token, status) {
  if (status < DRAFT) {
    if (status === OPEN && old.status >= DRAFT) return "reopened";
    return status === OPEN && old.mark === "inserted" ? "inserted" : "";
  }
  if ((old.status >= DRAFT && old.token !== token) || old.mark === "reopened") return "corrected";
  return old.mark;
}

/** The draft that the step's last call of the target checked in this row, or null. */
function checkedDraft(before, step, row, prompts) {
  const call = step.calls.filter((one) => one.role === "target").at(-1);
  const live = before.cells.some((cell) => cell.status === OPEN || cell.status === DRAFT);
  if (!call || !live || before.frontier === 0) return null; // a finished row carries junk
  const untouched = before.frontier === prompts[row].length;
  if (untouched && readsPrompts(call, prompts)) return null;
  return belowRoot(call, row, before.cells[before.frontier - 1].token);
}

/** Whether a call reads prompts (and pads the shorter ones) rather than drafts. */
function readsPrompts(call, prompts) {
  return prompts.some((prompt, b) => {
    const cells = call.tokens_BT[b] || [];
    const both = Math.min(cells.length, prompt.length);
    return both > 1 && prompt.slice(0, both).every((token, n) => token === cells[n]);
  });
}

/** The guesses that hang below the first cell. Equal siblings are one; padding hangs elsewhere, and
    probes are no guesses. */
function belowRoot(call, row, root) {
  const read = call.tokens_BT[row] || [];
  const cells = read.slice(0, read.length - (call.probes || 0));
  if (cells[0] !== root) return null; // not this loop's convention: nothing to tell
  const parentOf = call.parents_BT ? (t) => call.parents_BT[row][t] : (t) => t - 1;
  const index = new Map([[0, -1]]); // cell of the call -> drafted cell
  const known = new Map(); // "parent token" -> drafted cell
  const tokens = [], parents = [];
  for (let t = 1; t < cells.length; t++) {
    if (!index.has(parentOf(t))) continue;
    const parent = index.get(parentOf(t));
    const edge = `${parent} ${cells[t]}`;
    if (!known.has(edge)) {
      known.set(edge, tokens.length);
      tokens.push(cells[t]);
      parents.push(parent);
    }
    index.set(t, known.get(edge));
  }
  return tokens.length ? { tokens, parents, accepted: [] } : null;
}

/** The path that `written` takes down the tree, as far as it goes. */
function walk(draft, written) {
  const path = [];
  for (const token of written) {
    const above = path.length ? path.at(-1) : -1;
    const node = draft.tokens.findIndex((t, n) => t === token && draft.parents[n] === above);
    if (node < 0) break;
    path.push(node);
  }
  return path;
}
