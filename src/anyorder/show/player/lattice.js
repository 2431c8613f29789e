/* What a parallel model said of all its cells at once, and how the text is read off them.

     const view = new LatticeView(entry, piece)      entry: one of facts.lattice (show/lattices.py), with
     view.element; view.about(n); view.sitesOf(n)    `text`, the tokens written; piece(token): its text

   CTC: a strip of cells; those that spell one token stand under its bracket. A graph: vertices in
   a line, links as arcs, the path of the text drawn heavy. Cells and vertices are called sites.
   It sets text by textContent alone. */

const REM = 16; // pixels that one rem counts in a drawing; the page scales both alike
const LIKELY_VERTEX = 0.1; // one that fewer paths come by shows its token only when pointed at
const HIGHEST_ARC = 88;
const SVG = "http://www.w3.org/2000/svg";

/** Runs of sites that stand for the same token of the text: [{token, first, last}], in order. */
function runsOf(spells) {
  const runs = [];
  (spells || []).forEach((token, n) => {
    if (token < 0) return;
    const run = runs.at(-1);
    if (run && run.token === token) run.last = n;
    else runs.push({ token, first: n, last: n });
  });
  return runs;
}

/** What a site shows: {token, p, place}: the token it stands for, else the likeliest; its place in
    the text (-1: none); `p` is null where the token's probability is not told. */
function shownAt(entry, n) {
  const place = entry.spells ? entry.spells[n] : -1;
  const said = entry.cells[n];
  if (!entry.spells) return { token: said[0][0], p: said[0][1], place };
  if (place < 0 && entry.kind === "dag") return { token: said[0][0], p: said[0][1], place };
  const token = place < 0 ? entry.blank : entry.text[place];
  const own = said.find(([other]) => other === token);
  return { token, p: own ? own[1] : null, place };
}

/** The links of the path that was taken, as "from to". */
function takenLinks(spells) {
  const path = (spells || []).flatMap((place, n) => (place < 0 ? [] : [n]));
  return new Set(path.slice(1).map((to, n) => `${path[n]} ${to}`));
}

/** A token as it stands in a drawing: without the space before it, unless it is nothing else. */
function brief(piece) {
  const words = piece.replaceAll("\n", "↵");
  return words.trim() || words.replaceAll(" ", "␣");
}

function ordinal(n) {
  const tail = { 1: "st", 2: "nd", 3: "rd" }[n % 10];
  return `${n}${tail && Math.floor((n % 100) / 10) !== 1 ? tail : "th"}`;
}

/** What is told of a site when it is pointed at. */
function aboutSite(entry, n, piece) {
  const { token, place } = shownAt(entry, n);
  const isGraph = entry.kind === "dag";
  const nothing = token === entry.blank;
  const lines = [];
  if (place >= 0) lines.push(`${isGraph ? "on the path" : "stands for"}: the ${ordinal(place + 1)} token of the text`);
  else if (!entry.spells) lines.push("its likeliest token");
  else lines.push(isGraph ? "beside the path" : "a blank: it says nothing");
  if (isGraph) lines.push(`paths that come by: ${percent(entry.reached[n])}`);
  return {
    origin: place >= 0 ? "taken" : "passed",
    token: nothing ? "·" : piece(token),
    id: `${isGraph ? "vertex" : "cell"} ${n + 1} of ${entry.cells.length}`,
    lines,
    choices: entry.cells[n].map(([one, p]) => ({
      words: one === entry.blank ? "· nothing" : spelled(piece(one)),
      p,
      chosen: one === token && (place >= 0 || nothing),
    })),
  };
}

/** How a lattice is read, in words. */
function readingOf(entry) {
  const cells = entry.cells.length;
  const none = " The text was cut off, or no path writes it: none is drawn.";
  if (entry.kind === "dag") {
    return (
      `One call made ${cells} vertices and the links between them: the heavier an arc, the likelier a path takes it.` +
      (entry.spells ? " The thick line is the path of this text." : none) +
      " Point at a vertex to see what else it might say."
    );
  }
  return (
    `One call filled ${cells} cells: the fuller, the surer. A dot says nothing` +
    (entry.spells ? "; cells under one bracket say one token." : `.${none}`) +
    " Point at a cell to see what else it might say."
  );
}

/** Where the vertices of a graph stand: a width for each, wide enough for its token if it has one. */
function vertexWidths(entry, piece) {
  return entry.cells.map((_, n) => {
    const { token, place } = shownAt(entry, n);
    if (place < 0 && entry.reached[n] < LIKELY_VERTEX) return 13;
    return Math.min(104, Math.max(30, 16 + 8.2 * brief(piece(token)).length));
  });
}

class LatticeView {
  constructor(entry, piece) {
    this.entry = entry;
    this.piece = piece;
    this.sites = entry.cells.map((_, n) => this.site(n));
    if (this.sites.length) this.sites[0].tabIndex = 0;
    const drawing = entry.kind === "dag" ? this.graph() : this.strip();
    const scroll = make("div", "lattice-scroll", drawing);
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", entry.kind === "dag" ? "The graph's vertices" : "The cells");
    this.element = make("figure", `lattice ${entry.kind}`, scroll, make("figcaption", "", readingOf(entry)));
  }

  about(n) {
    return aboutSite(this.entry, n, this.piece);
  }

  /** The sites that stand for a cell of the canvas. */
  sitesOf(cell) {
    return this.sites.filter((_, n) => this.cellOf(n) === cell);
  }

  /** The cell of the canvas that a site stands for, or null. */
  cellOf(n) {
    const place = this.entry.spells ? this.entry.spells[n] : -1;
    return place < 0 ? null : this.entry.begin + place;
  }

  site(n) {
    const { token, p, place } = shownAt(this.entry, n);
    const element = make("span", "site");
    const nothing = token === this.entry.blank;
    element.dataset.site = n;
    element.tabIndex = -1;
    element.setAttribute("role", "img");
    element.classList.toggle("taken", place >= 0);
    element.classList.toggle("blank", nothing);
    element.classList.toggle("second", place >= 0 && this.entry.cells[n][0][0] !== token);
    const said = nothing ? "nothing" : brief(this.piece(token));
    element.setAttribute("aria-label", `${n + 1}: ${said}${p === null ? "" : `, ${percent(p)}`}`);
    return element;
  }

  /** CTC: brackets, cells, and the source below, in the columns of one grid. */
  strip() {
    const { spells } = this.entry;
    const runs = runsOf(spells);
    const grid = make("div", "cells");
    for (const run of runs) {
      const words = make("b", "", brief(this.piece(this.entry.text[run.token])));
      grid.append(spanning(make("span", "bracket", words), 1, run.first, run.last));
    }
    this.sites.forEach((site, n) => {
      const { token, p } = shownAt(this.entry, n);
      site.classList.toggle("joined", spells !== null && n > 0 && spells[n] >= 0 && spells[n] === spells[n - 1]);
      site.style.setProperty("--p", p ?? 0);
      if (token !== this.entry.blank) site.append(make("span", "", brief(this.piece(token))));
      grid.append(spanning(site, 2, n, n));
    });
    grid.append(...this.sources().map((part) => spanning(part.element, 3, part.first, part.last)));
    return grid;
  }

  /** Pieces of the source, each under the cells that were made of it. */
  sources() {
    const { source, spread } = this.entry;
    if (!spread || source.length * spread !== this.sites.length) return [];
    return source.map((words, n) => ({
      element: make("span", "source", make("span", "", brief(words))),
      first: n * spread,
      last: (n + 1) * spread - 1,
    }));
  }

  /** A graph: arcs above, vertices with their tokens below. */
  graph() {
    const widths = vertexWidths(this.entry, this.piece);
    const lefts = [0];
    for (const width of widths) lefts.push(lefts.at(-1) + width);
    const middles = widths.map((width, n) => lefts[n] + width / 2);
    const canvas = make("div", "graph");
    canvas.style.width = rem(lefts.at(-1));
    canvas.append(this.arcs(middles, lefts.at(-1)));
    const row = make("div", "vertices");
    this.sites.forEach((site, n) => {
      const { token } = shownAt(this.entry, n);
      site.style.width = rem(widths[n]);
      site.style.setProperty("--p", this.entry.reached[n]);
      site.append(make("i", "dot"));
      if (widths[n] > 13) site.append(make("span", "", brief(this.piece(token))));
      row.append(site);
    });
    canvas.append(row);
    for (const { element, first, last } of this.sources()) {
      element.style.left = rem(lefts[first]);
      element.style.width = rem(lefts[last + 1] - lefts[first]);
      canvas.append(element);
    }
    return canvas;
  }

  /** The links, the taken ones last so that they lie on top. */
  arcs(middles, width) {
    const taken = takenLinks(this.entry.spells);
    const links = this.entry.links.flatMap((row, from) => row.map(([to, p]) => ({ from, to, p })));
    const isTaken = ({ from, to }) => taken.has(`${from} ${to}`);
    const order = [...links.filter((link) => !isTaken(link)), ...links.filter(isTaken)];
    const heights = links.map(({ from, to }) => arcHeight(middles[to] - middles[from]));
    const height = Math.max(24, ...heights) + 3;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 ${-height} ${width} ${height}`);
    svg.setAttribute("aria-hidden", "true");
    svg.style.width = rem(width);
    svg.style.height = rem(height);
    for (const link of order) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", arc(middles[link.from], middles[link.to]));
      path.setAttribute("class", isTaken(link) ? "taken" : "");
      path.style.setProperty("--p", this.entry.reached[link.from] * link.p); // that a path takes it
      svg.append(path);
    }
    return svg;
  }
}

function rem(pixels) {
  return `${pixels / REM}rem`;
}

function spanning(element, row, first, last) {
  element.style.gridRow = `${row}`;
  element.style.gridColumn = `${first + 1} / ${last + 2}`;
  return element;
}

/** How high an arc over this distance is: a far link is higher, but never without end. */
function arcHeight(distance) {
  return HIGHEST_ARC * (1 - Math.exp(-distance / 160)) + 4;
}

/** An arc of which the control points lie a third higher than its top. */
function arc(from, to) {
  const up = -(arcHeight(to - from) / 0.75).toFixed(1);
  const lean = (to - from) * 0.18;
  return `M${from} 0C${(from + lean).toFixed(1)} ${up} ${(to - lean).toFixed(1)} ${up} ${to} 0`;
}
