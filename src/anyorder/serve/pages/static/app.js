/* The page of a server: views by the address' hash; live runs in the player.

   Hash: #write, #frontier=task, #systems, #system=slug, with &dark or &light. */

const BASELINE = "left-to-right"; // whose text the others are held against, if it is written

class Writing {
  constructor(about) {
    this.about = about;
    this.player = new Player(byId("player"), []);
    this.player.opened = (run) => run.state === "unwritten" && this.begin([run]);
    this.player.pressed = (pane, cell) => this.toggleLock(pane, cell);
    this.form = new Form(about, () => this.go());
    this.abort = new AbortController();
    this.busy = 0;
    this.drawing = false;
    byId("stop").addEventListener("click", () => this.abort.abort());
    byId("unlock").addEventListener("click", () => this.unlock());
    byId("again").addEventListener("click", () => this.again());
  }

  /** As the form has it. */
  go() {
    try {
      const wish = this.form.wish();
      const name = wish.prompt.trim() || wish.segments.map((one) => one.text || "…").join("");
      this.open({ ...wish, name });
    } catch (error) {
      this.say(error.message, true);
    }
  }

  /** Write a wish with its decoders; others can be chosen in the panes. */
  open({ name, prompt, segments, decoders, options }) {
    this.abort.abort(); // what still runs is not looked at any more
    this.abort = new AbortController();
    this.unlock();
    const fitting = this.about.decoders.filter((one) => !one.lacks).map((one) => one.name);
    const others = fitting.filter((one) => !decoders.includes(one));
    const runs = [...decoders, ...others].map(unwritten);
    const asked = { prompt, segments, options, key: byId("key").value, signal: this.abort.signal };
    const brief = name.replaceAll(/\s+/g, " ");
    const group = { name: brief.length > 28 ? `${brief.slice(0, 27)}…` : brief, prompt: this.told(prompt, segments), runs, asked };
    const written = runs.slice(0, decoders.length);
    group.baseline = written.find((run) => run.decoder === BASELINE) || written[0];
    for (const run of written) run.state = "waiting";
    for (const run of runs) run.group = group;
    this.player.addGroup(group);
    byId("player").hidden = false;
    byId("empty").hidden = true;
    this.player.open(0, written.map((run) => run.decoder), Infinity);
    this.begin(written);
    byId("player").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  told(prompt, segments) {
    const holes = segments ? segments.map(({ text, hole }) => text ?? ` [${hole}] `).join("") : "";
    return [prompt, holes].filter((one) => one).join("\n\n");
  }

  /** Let these runs be written, all at once or in turns. */
  async begin(runs) {
    const together = byId("order").value === "together";
    this.busy += runs.length;
    this.paint();
    for (const run of runs) run.notice = { kind: "", words: "waits for its turn" };
    if (together) await Promise.all(runs.map((run) => this.write(run)));
    else for (const run of runs) await this.write(run);
    this.paint();
  }

  async write(run) {
    const { asked } = run.group;
    const own = run.decoder === this.about.decoder && run.decoder.includes(":"); // nobody else may ask for its options
    const { url, body } = bodyOf({ ...asked, decoder: own ? undefined : run.decoder, model: this.about.model });
    if (asked.signal.aborted) {
      run.state = "stopped";
      run.notice = { kind: "", words: "stopped before it began" };
      this.heard(run);
    } else await write(run, { url, body, key: asked.key, signal: asked.signal, heard: () => this.heard(run) });
    this.busy -= 1;
    if (run.notice.words.includes("API key")) byId("key-field").hidden = false;
    for (const one of run.group.runs.filter((each) => each.state === "done")) {
      one.figures = figuresOf(one, run.group.baseline);
      this.player.tell(one);
    }
    this.paint();
  }

  /** Draw what came, once a frame. */
  heard(run) {
    this.player.tell(run);
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      const { player } = this;
      if (player.panes.some((pane) => pane.trace !== pane.run.trace)) player.relay();
      else player.grow();
    });
  }

  paint() {
    byId("stop").hidden = !this.busy;
    byId("go").textContent = this.busy ? "Write anew" : "Write";
    if (!this.busy && this.player.panes.length) this.player.paceOut(); // how long it took is known now
    if (this.busy) this.say(byId("order").value === "together" ? "Writing at the same time." : "Writing, one after another.");
    else if (this.player.groups.length) this.say(this.closing());
  }

  closing() {
    const states = this.player.shown.map((run) => run.state);
    if (states.includes("failed")) return "Not all could be written; the panes say why.";
    if (states.includes("stopped")) return "Stopped.";
    return byId("order").value === "together"
      ? "Done. They shared the machine, so each took longer than it would alone: write one after another to compare seconds."
      : "Done. Drag the time line, or press play, to see it again.";
  }

  say(words, wrong = false) {
    byId("said").textContent = words;
    byId("said").classList.toggle("wrong", wrong);
  }

  toggleLock(pane, cell) {
    const shown = pane.frames[Math.max(0, pane.number)].cells[cell];
    if (cell < pane.begin || !shown || shown.status < DRAFT || shown.origin === "given") return;
    if (this.lockedPane !== pane) this.unlock();
    this.lockedPane = pane;
    const locked = new Set(pane.locked);
    const all = pane.together(cell); // half a character can't be held
    const holds = locked.has(cell);
    for (const n of all) holds ? locked.delete(n) : locked.add(n);
    pane.lock(locked);
    this.paintLocks();
  }

  unlock() {
    this.lockedPane?.lock(new Set());
    this.lockedPane = null;
    this.paintLocks();
  }

  paintLocks() {
    const cells = this.lockedPane ? [...this.lockedPane.locked].sort((a, b) => a - b) : [];
    byId("lockbar").hidden = !cells.length;
    if (!cells.length) return;
    const { texts } = this.lockedPane.spelling(this.lockedPane.last);
    const words = cells.filter((n) => texts[n]).map((n) => texts[n].trim() || "␣");
    byId("locks").textContent = `${words.length === 1 ? "1 word" : `${words.length} words`} locked: ${words.join(" · ")}`;
  }

  /** The same once more, around the words that are locked. */
  again() {
    const pane = this.lockedPane;
    const { asked } = pane.run.group;
    const cells = pane.frames.at(-1).cells;
    const found = around(cells, pane.begin, pane.locked, pane.spelling(pane.last).texts);
    const lead = asked.segments ? leadOf(asked.segments)[0] : "";
    const segments = lead ? [{ text: lead }, ...found] : found;
    const decoders = this.player.shown.map((run) => run.decoder);
    this.open({ name: `${found.filter((one) => one.text).map((one) => one.text.trim()).join(" … ")} kept: ${asked.prompt}`, prompt: asked.prompt, segments, decoders, options: asked.options });
  }
}

const VIEWS = ["write", "frontier", "systems"];
const drawn = {};

async function showView() {
  const wish = wishes();
  const view = "system" in wish ? "systems" : VIEWS.find((one) => one in wish) || "write";
  for (const one of VIEWS) byId(`view-${one}`).hidden = one !== view;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("errors").replaceChildren();
  try {
    const evidence = view === "write" ? null : await told();
    if (view === "frontier") await showFrontier(byId("view-frontier"), evidence, wish.frontier);
    if (view === "systems") showSystems(byId("view-systems"), evidence, wish.system);
    if (view !== "write") scrollTo(0, 0);
  } catch (error) {
    byId("errors").append(make("p", "", `This could not be loaded: ${error.message}`));
  }
}

/** What was measured; asked for once. */
function told() {
  drawn.evidence ??= data("page/evidence.json").catch((error) => {
    drawn.evidence = undefined;
    throw error;
  });
  return drawn.evidence;
}

async function data(path) {
  const answer = await fetch(path).catch(() => {
    throw new Error("The server does not answer. Is it still running?");
  });
  if (answer.status === 503) {
    byId("model").textContent = "The model is being loaded …";
    await new Promise((done) => setTimeout(done, 1000));
    return data(path);
  }
  if (!answer.ok) throw new Error(await sentenceOf(answer));
  return answer.json();
}

async function openApp() {
  layTheme();
  addEventListener("hashchange", showView);
  showView();
  try {
    drawn.writing = new Writing(await data("page/about.json"));
    told().catch(() => {}); // so that it is there when it is wanted; if not, its view says so
  } catch (error) {
    byId("errors").append(make("p", "", `${error.message} Then reload this page.`));
    byId("empty").hidden = true;
  }
}

openApp();
