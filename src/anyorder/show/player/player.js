/* The player: one prompt, up to four decoders side by side, on one clock.

     const player = new Player(element, groups)      groups: [{name, prompt, runs: [run]}]
     player.open(prompt, ["LeftToRight", ...])       run: {decoder, figures, row, trace}

   The clock counts recorded seconds, or steps. A pane shows the last frame that the clock passed.
   Keys: space plays and pauses, arrows step, Home and End jump; inside a text, arrows move from
   cell to cell. `player.changed` is called when other runs or another moment are shown,
   `player.opened(run)` when a run gets a pane, `player.pressed(pane, cell)` for a cell that was
   pressed. A run may be in the making: `player.grow()` after its trace has got more steps; a
   `notice` of a run ({kind, words}) stands in its pane. */

const MOST_PANES = 4;
const SHORT_PROMPT = 240; // characters that are shown without being asked for
const MOST_BRANCHES = 6; // of a draft tree that are seen without scrolling
const STEPS_PER_SECOND = 8; // of the clock that counts steps
const SHORTEST = 2; // seconds that playing takes at least, if it can be slowed down for it

class Player {
  constructor(element, groups) {
    this.element = element;
    this.groups = groups;
    this.part = (name) => element.querySelector(`[data-part="${name}"]`);
    this.unit = "seconds";
    this.below = "drafts"; // what stands below each text
    this.at = 0;
    this.speed = 1;
    this.hasSpeed = false; // whether someone chose it
    this.playing = false;
    this.prompt = 0;
    this.shown = []; // runs, a pane each
    this.panes = [];
    this.changed = () => {};
    this.opened = () => {};
    this.pressed = () => {};
    this.card = new Card(element, () => this.panes);
    layControls(this);
    layKeys(this);
    addEventListener("resize", () => this.panes.forEach((pane) => pane.settle()));
  }

  get runs() {
    return this.groups[this.prompt].runs;
  }

  /** A group more, which comes first; those of long ago go. */
  addGroup(group, most = 8) {
    this.groups = [group, ...this.groups].slice(0, most);
    layPrompts(this);
  }

  /** Show these decoders (names, or places in the group) on a prompt, from the clock's end. */
  open(prompt, decoders, at = Infinity) {
    this.playing = false;
    this.prompt = Math.min(Math.max(0, prompt), this.groups.length - 1);
    const found = decoders
      .map((one) => (typeof one === "number" ? this.runs[one] : this.runs.find((r) => r.decoder === one)))
      .filter((run) => run);
    this.shown = (found.length ? found : this.runs.slice(0, 2)).slice(0, MOST_PANES);
    const words = this.groups[this.prompt].prompt;
    this.part("prompt-text").textContent = words;
    this.part("prompt-text").parentElement.open = words.length <= SHORT_PROMPT;
    this.part("prompts").querySelectorAll("button").forEach((button, n) => {
      button.setAttribute("aria-pressed", `${n === this.prompt}`);
    });
    this.layPanes();
    this.paceOut();
    this.jump(at);
  }

  /** What is over in a blink is played slower, until someone chooses a speed. */
  paceOut() {
    if (this.hasSpeed) return;
    const longest = this.unit === "seconds" ? this.end : this.end / STEPS_PER_SECOND;
    const slowest = this.unit === "seconds" ? SPEEDS[0] : 0.25; // two steps a second
    const slow = SPEEDS.findLast((speed) => speed <= 1 && longest / speed >= SHORTEST) ?? slowest;
    this.speed = longest ? Math.max(slow, slowest) : 1;
    this.part("speed").value = `${this.speed}`;
  }

  /** One pane per shown run, on a clock as long as the longest. */
  layPanes() {
    this.card.hide();
    this.panes = this.shown.map((run) => new Pane(run));
    this.panes.forEach((pane, place) => pane.head.append(...this.paneHead(pane, place)));
    const add = this.part("add");
    add.hidden = this.shown.length >= Math.min(MOST_PANES, this.runs.length);
    this.part("panes").replaceChildren(...this.panes.map((pane) => pane.element));
    this.part("panes").dataset.count = this.panes.length;
    this.panes.forEach((pane) => layStrip(pane, (share) => this.seek(share * this.end)));
    this.setClock(this.unit);
    this.panes.forEach((pane) => pane.settle());
    this.shown.forEach((run) => this.opened(run));
    this.showBelow(this.below);
    const tallest = Math.max(...this.panes.map((pane) => pane.branches));
    this.part("panes").style.setProperty("--branches", `${Math.min(MOST_BRANCHES, tallest)}`);
  }

  /** Below each text its "drafts" (or lattice), or its dependency "graph". */
  showBelow(below) {
    this.below = below;
    this.panes.forEach((pane) => pane.showBelow(below));
    for (const button of this.part("below").children) {
      button.setAttribute("aria-pressed", `${button.value === below}`);
    }
  }

  paneHead(pane, place) {
    const select = make("select");
    select.setAttribute("aria-label", `Decoder ${place + 1}`);
    this.runs.forEach((run, n) => select.append(new Option(run.decoder, n, false, run === pane.run)));
    select.addEventListener("change", () => this.replace(place, [this.runs[select.value]]));
    pane.sameSign = sameText(pane.run.figures.same_text);
    const parts = [select, pane.status, pane.sameSign];
    if (this.shown.length > 1) {
      const close = make("button", "close", "×");
      close.type = "button";
      close.setAttribute("aria-label", `Close ${pane.run.decoder}`);
      close.addEventListener("click", () => this.replace(place, []));
      parts.push(close);
    }
    return parts;
  }

  /** Put other runs at the place of a pane, and keep the clock where it is. */
  replace(place, runs) {
    const at = this.at >= this.end ? Infinity : this.at;
    this.shown.splice(place, 1, ...runs);
    this.layPanes();
    this.seek(at);
    this.changed();
  }

  addPane() {
    const next = this.runs.find((run) => !this.shown.includes(run)) || this.runs[0];
    this.replace(this.shown.length, [next]);
  }

  /** Lay the panes anew: a run has got a trace of its own. */
  relay() {
    const { at } = this, follows = at >= this.end;
    this.layPanes();
    this.seek(follows ? this.end : at);
  }

  /** Take up what the runs have got since; who looks at the end goes on looking at it. */
  grow() {
    const { at } = this, follows = at >= this.end;
    for (const pane of this.panes) {
      if (pane.run.trace === pane.trace) pane.grow();
    }
    this.measure();
    this.seek(follows ? this.end : at);
  }

  /** What was found out of a run, in its pane's head. */
  tell(run) {
    for (const pane of this.panes.filter((one) => one.run === run)) {
      const sign = sameText(run.figures.same_text);
      pane.sameSign.replaceWith(sign);
      pane.sameSign = sign;
      pane.tell();
    }
  }

  /** Count "seconds" or "calls"; the clock stays at the same share of its length. */
  setClock(unit) {
    const share = this.end ? this.at / this.end : 1;
    this.unit = unit;
    this.measure();
    this.part("clock").value = unit;
    this.paceOut();
    this.seek(share * this.end);
  }

  /** The clock's length and stops. */
  measure() {
    const { unit } = this;
    this.stops = [...new Set(this.panes.flatMap((pane) => pane.times(unit)))].sort((a, b) => a - b);
    this.end = this.stops.at(-1) || 0;
    this.panes.forEach((pane) => pane.scale(this.end || 1, unit));
    this.part("line").max = this.end;
  }

  seek(at) {
    this.at = Math.min(Math.max(0, at), this.end);
    this.panes.forEach((pane) => pane.show(this.at));
    const line = this.part("line");
    const digits = digitsOf(this.end);
    const said = this.unit === "seconds" ? `${this.at.toFixed(digits)} s` : `step ${Math.floor(this.at)}`;
    const whole = this.unit === "seconds" ? `${this.end.toFixed(digits)} s` : `${this.end}`;
    line.value = this.at;
    line.setAttribute("aria-valuetext", said);
    line.style.setProperty("--share", `${this.end ? (100 * this.at) / this.end : 100}%`);
    this.part("time").textContent = `${said} of ${whole}`;
    this.card.refresh();
  }

  /** To a moment, by hand: playing stops. */
  jump(at) {
    this.seek(at);
    this.pause();
  }

  /** To the next (1) or previous (-1) moment at which a pane changes. */
  step(direction) {
    const near = 1e-9;
    const next =
      direction > 0
        ? this.stops.find((stop) => stop > this.at + near)
        : this.stops.findLast((stop) => stop < this.at - near);
    this.jump(next === undefined ? (direction > 0 ? this.end : 0) : next);
  }

  play() {
    if (this.at >= this.end) this.seek(0);
    this.playing = true;
    this.paintPlay();
    let last = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      const rate = this.unit === "seconds" ? 1 : STEPS_PER_SECOND;
      this.seek(this.at + ((now - last) / 1000) * this.speed * rate);
      last = now;
      if (this.at >= this.end) this.pause();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    this.paintPlay();
    this.changed();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  paintPlay() {
    const button = this.part("play");
    button.textContent = this.playing ? "❚❚" : "▶";
    button.setAttribute("aria-label", this.playing ? "Pause" : "Play");
  }
}

function sameText(same) {
  if (same === null) return make("span", "same");
  const word = make("span", "word", same ? " same text" : " other text");
  const sign = make("span", same ? "same yes" : "same no", same ? "✓" : "≠", word);
  sign.title = same ? "the same text as the baseline’s" : "not the baseline’s text";
  return sign;
}
