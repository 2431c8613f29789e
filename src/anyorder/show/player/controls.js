/* What a hand does: buttons, keys, dragging, and the card that tells of a cell.

     layControls(player); layKeys(player);           buttons, time line, prompts; the keyboard
     layStrip(pane, (share) => ...)                  dragging in a pane's time strip
     new Card(element, () => panes)                  hover or focus a cell or site to read of it */

const SPEEDS = [0.01, 0.03, 0.1, 0.25, 0.5, 1, 2, 4];

function layControls(player) {
  const { part } = player;
  part("play").addEventListener("click", () => player.toggle());
  part("back").addEventListener("click", () => player.step(-1));
  part("on").addEventListener("click", () => player.step(1));
  part("first").addEventListener("click", () => player.jump(0));
  part("last").addEventListener("click", () => player.jump(Infinity));
  part("add").addEventListener("click", () => player.addPane());
  part("below").addEventListener("click", (event) => {
    if (event.target.value) player.showBelow(event.target.value);
    player.changed();
  });
  part("line").addEventListener("input", (event) => player.jump(Number(event.target.value)));
  part("clock").addEventListener("change", (event) => {
    player.setClock(event.target.value);
    player.changed();
  });
  part("speed").append(...SPEEDS.map((speed) => new Option(`${speed}×`, speed, false, speed === 1)));
  part("speed").addEventListener("change", (event) => {
    player.speed = Number(event.target.value);
    player.hasSpeed = true; // the reader's own choice stays
  });
  let touched = null;
  part("panes").addEventListener("click", (event) => {
    const cell = event.target.closest(".cell");
    const first = event.pointerType === "touch" && cell !== touched; // a finger asks before it acts
    touched = cell;
    if (!first) press(player, cell);
  });
  layPrompts(player);
}

/** A button for each prompt. */
function layPrompts(player) {
  const buttons = player.groups.map((group, n) => {
    const button = make("button", "", group.name);
    button.type = "button";
    button.addEventListener("click", () => player.open(n, player.shown.map((run) => run.decoder)));
    return button;
  });
  player.part("prompts").replaceChildren(...buttons);
}

/** Whoever uses the player may have something to do with a written cell. */
function press(player, cell) {
  const pane = cell && player.panes.find((one) => one.element.contains(cell));
  if (pane && cell.dataset.cell) player.pressed(pane, Number(cell.dataset.cell));
}

/** Space and arrows, unless the focus stands in something that has its own use for them. */
function layKeys(player) {
  const acts = {
    " ": () => player.toggle(),
    ArrowRight: () => player.step(1),
    ArrowLeft: () => player.step(-1),
    Home: () => player.jump(0),
    End: () => player.jump(Infinity),
  };
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (target.matches(".cell") && event.key === "Enter") press(player, target);
    if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
    if (player.element.closest("[hidden]")) return;
    if (target.matches(".cell, .site") && event.key !== " ") {
      moveFocus(target, event);
      return;
    }
    if (target.matches("select, textarea, input:not([type=range])")) return;
    if (target.matches("button, summary, a") && event.key === " ") return;
    if (target.matches(".tree") && event.key.startsWith("Arrow")) return; // it scrolls
    event.preventDefault();
    acts[event.key]();
  });
}

/** A token as one would spell it: its spaces and line ends as signs. */
function spelled(token) {
  return JSON.stringify(token).slice(1, -1).replaceAll(" ", "␣");
}

/** One cell of a text (one site of a lattice) is a stop for the tab key; arrows go on from there. */
function moveFocus(cell, event) {
  const cells = [...cell.parentElement.querySelectorAll(".cell:not(.pad), .site")];
  const here = cells.indexOf(cell);
  const there = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: cells.length - 1 };
  const next = cells[there[event.key]];
  event.preventDefault();
  if (!next) return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** Press or drag in a pane's strip to set the clock: `seek` gets the share of its width. */
function layStrip(pane, seek) {
  const { strip } = pane;
  const to = (event) => {
    const box = strip.getBoundingClientRect();
    seek(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
  };
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    to(event);
  });
  strip.addEventListener("pointermove", (event) => {
    if (strip.hasPointerCapture(event.pointerId)) to(event);
  });
}

/** The card beside the cell under the pointer or the focus; Escape hides it. */
class Card {
  constructor(element, panes) {
    this.panes = panes;
    this.element = make("div", "card");
    this.element.id = "card";
    this.element.setAttribute("role", "tooltip");
    this.element.hidden = true;
    element.append(this.element);
    const enter = (event) => {
      const cell = event.target.closest?.(".cell, .site");
      if (cell) this.show(cell);
      else if (event.type === "pointerover") this.hide();
    };
    element.addEventListener("pointerover", enter);
    element.addEventListener("focusin", enter);
    element.addEventListener("focusout", () => this.hide());
    element.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.hide());
    addEventListener("scroll", () => this.hide(), { passive: true });
    element.addEventListener("scroll", () => this.refresh(), { passive: true, capture: true }); // inner
    addEventListener("keydown", (event) => event.key === "Escape" && this.hide());
  }

  show(cell) {
    this.hide();
    const pane = this.panes().find((one) => one.element.contains(cell));
    const told = pane && pane.told(cell);
    if (!told) return;
    this.cell = cell;
    cell.setAttribute("aria-describedby", "card");
    this.point(pane, cell);
    const token = told.token ? make("code", "", spelled(told.token)) : "";
    const id = told.token ? make("span", "id", told.id) : "";
    const lines = told.lines.map((line) => make("p", "", line));
    lines[0].prepend(make("i", `swatch ${told.origin}`));
    const choices = told.choices ? [choiceList(told.choices)] : [];
    this.element.replaceChildren(make("p", "said", token, id), ...lines, ...choices);
    this.element.hidden = false;
    const parts = [...cell.getClientRects()].sort((a, b) => b.width - a.width); // it may go over a line's end
    this.place(parts[0] || cell.getBoundingClientRect());
  }

  /** Mark what belongs to a cell: the same place in all texts; or what a site became, in its own. */
  point(pane, cell) {
    cell.classList.add("pointed");
    const { site, chip } = cell.dataset;
    if (site !== undefined) {
      pane.cells[pane.lattice.cellOf(Number(site))]?.classList.add("pointed");
      return;
    }
    if (chip !== undefined) {
      pane.graph.point(Number(chip));
      pane.cells[Number(chip)]?.classList.add("pointed");
      return;
    }
    const n = Number(cell.dataset.cell);
    for (const other of this.panes()) {
      other.cells[n]?.classList.add("pointed");
      other.graph?.chips.get(n)?.classList.add("pointed");
      other.graph?.point(n);
      for (const site of other.lattice?.sitesOf(n) ?? []) site.classList.add("pointed");
    }
  }

  /** Below the cell, or above it where there is no room. */
  place(box) {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.min(Math.max(8, box.left), innerWidth - width - 8);
    const below = box.bottom + 8 + height < innerHeight;
    this.element.style.left = `${left}px`;
    this.element.style.top = `${below ? box.bottom + 8 : box.top - height - 8}px`;
  }

  hide() {
    if (!this.cell) return;
    for (const cell of document.querySelectorAll(".pointed")) cell.classList.remove("pointed");
    for (const pane of this.panes()) pane.graph?.point(null);
    this.cell.removeAttribute("aria-describedby");
    this.cell = null;
    this.element.hidden = true;
  }

  /** What is known of the cell may have changed. */
  refresh() {
    if (this.cell) this.show(this.cell);
  }
}

/** What a cell might have held, the likeliest first: words, a bar, a figure; a sign at the chosen. */
function choiceList(choices) {
  const rows = choices.map(({ words, p, chosen }) => {
    const bar = make("i");
    bar.style.width = `${100 * p}%`;
    const row = make("li", chosen ? "chosen" : "", make("code", "", words), make("span", "track", bar), make("b", "", percent(p)));
    if (chosen) row.prepend(make("span", "tick", "✓"));
    return row;
  });
  return make("ol", "choices", ...rows);
}
