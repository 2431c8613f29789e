/* The form: what to write, and with which decoders. It sets text by textContent alone.

     const form = new Form(about, () => ...)      about: of page/about.json; called when one presses Write
     form.wish()                                  {prompt, segments, decoders, options}, or throws a sentence */

const FEWEST = 2; // if so many fit
const FIRST_CHOICE = ["left-to-right", "auto", "prompt-copy", "token-recycling"];
const READY = "edit"; // of the examples: there decoders differ most
const MANY = 90; // characters of an example's name

const byId = (id) => document.getElementById(id);

class Form {
  constructor(about, go) {
    this.about = about;
    this.mode = "go-on";
    this.layDecoders();
    this.layExamples();
    document.querySelector(".modes").hidden = !about.fills;
    if (!about.fills) {
      byId("prompt-name").textContent = "Source";
      byId("prompt").placeholder = "A source, as the model learnt to read it.";
    }
    const { examples } = about; // one stands ready, so that one can press Write
    this.ready = (examples.find(({ name }) => name === READY) || examples[0])?.prompt || "";
    byId("prompt").value ||= this.ready;
    byId("chat").value = about.chat ? "chat" : "text";
    byId("chat").parentElement.hidden = !about.chat;
    byId("model").textContent = about.model ? `The model is ${about.model}.` : "";
    const tokens = byId("max-tokens");
    tokens.max = about.most_tokens;
    tokens.value = Math.min(tokens.value, about.most_tokens);
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      go();
    });
    byId("form").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go();
    });
    document.querySelector(".modes").addEventListener("click", ({ target }) => target.value && this.setMode(target.value));
    byId("holes").addEventListener("input", () => this.preview());
    byId("hole-size").addEventListener("input", () => this.preview());
    byId("hole").addEventListener("click", () => this.putHole());
    byId("empty").hidden = false;
    byId("empty").textContent = `Press Write, and ${this.fewest > 1 ? "the decoders that are chosen write side by side" : "the text is written"} here, call by call.`;
    byId("go").disabled = false;
  }

  layDecoders() {
    const wanted = [...new Set([this.about.decoder, ...FIRST_CHOICE])];
    const place = ({ name }) => (wanted.includes(name) ? wanted.indexOf(name) : wanted.length);
    const fitting = this.about.decoders.filter((one) => !one.lacks).sort((a, b) => place(a) - place(b));
    const names = fitting.map((one) => one.name);
    const first = wanted.filter((name) => names.includes(name)).slice(0, 3);
    const chosen = new Set(first.length >= FEWEST ? first : names.slice(0, FEWEST));
    this.fewest = Math.min(FEWEST, names.length);
    if (this.fewest < FEWEST) byId("decoders-name").textContent = "Decoders";
    this.signs = fitting.some((one) => one.exact) ? "“=” marks those that write exactly the left-to-right text at temperature 0, and draw as it does above." : "";
    const pills = fitting.map((one) => {
      const box = make("input");
      box.type = "checkbox";
      box.value = one.name;
      box.checked = chosen.has(one.name);
      const pill = make("label", "pill", box, make("span", "", one.name));
      if (one.exact) pill.append(make("span", "exact", "="));
      if (one.name === this.about.decoder) pill.append(make("span", "usual", "default"));
      pill.title = `${one.does}${one.exact ? " Exact: at temperature 0 it writes the left-to-right text." : ""}`;
      return pill;
    });
    byId("decoders").replaceChildren(...pills);
    byId("decoders").addEventListener("change", () => this.count());
    const unfit = this.about.decoders.filter((one) => one.lacks);
    byId("unfit").hidden = !unfit.length;
    byId("unfit").querySelector("summary").textContent = unfit.length === 1 ? "1 other does not fit this model" : `${unfit.length} others do not fit this model`;
    const lines = unfit.map((one) => make("li", "", make("b", "", one.name), ` ${one.lacks}`));
    byId("unfit").querySelector("ul").replaceChildren(...lines);
    this.count();
  }

  get chosen() {
    return [...byId("decoders").querySelectorAll("input:checked")].map((box) => box.value);
  }

  /** At most four; what the last one that was pressed does, in words. */
  count() {
    const { chosen } = this;
    for (const box of byId("decoders").querySelectorAll("input")) {
      box.disabled = !box.checked && chosen.length >= MOST_PANES;
    }
    const more = this.fewest - chosen.length;
    byId("decoder-hint").textContent = more > 0 ? `Choose ${more} more. ${this.signs}` : this.signs;
  }

  layExamples() {
    const buttons = this.about.examples.map(({ name, prompt }) => {
      const button = make("button", "", name);
      button.type = "button";
      button.title = prompt.slice(0, MANY);
      button.addEventListener("click", () => {
        byId("prompt").value = prompt;
        byId("prompt").focus();
      });
      return button;
    });
    byId("examples").replaceChildren(...(buttons.length ? [make("span", "", "examples"), ...buttons] : []));
  }

  setMode(mode) {
    this.mode = mode;
    for (const button of document.querySelector(".modes").children) {
      button.setAttribute("aria-pressed", `${button.value === mode}`);
    }
    byId("fill").hidden = mode !== "fill";
    byId("examples").hidden = mode === "fill";
    byId("max-tokens").parentElement.hidden = mode === "fill";
    byId("prompt-name").textContent = mode === "fill" ? "What is asked" : "Prompt";
    if (mode === "fill" && !byId("holes").value) {
      if (["", this.ready].includes(byId("prompt").value.trim())) byId("prompt").value = "Write two sentences about the sea.";
      byId("holes").value = "The sea is ___ and the waves ___. At night ___ the moon.";
    }
    this.preview();
  }

  /** ___ at the cursor, or in place of what is selected. */
  putHole() {
    const field = byId("holes");
    field.setRangeText("___", field.selectionStart, field.selectionEnd, "end");
    field.focus();
    this.preview();
  }

  segments() {
    return segmentsOf(byId("holes").value, Number(byId("hole-size").value) || 1);
  }

  /** What is held, and what is open. */
  preview() {
    const parts = this.segments().map(({ text, hole }) =>
      hole ? make("span", "hole", "·".repeat(Math.min(hole, 24))) : make("span", "cell given held", text)
    );
    byId("preview").replaceChildren(...parts);
  }

  wish() {
    const fill = this.mode === "fill";
    const [prompt, decoders] = [byId("prompt").value, this.chosen];
    const options = {
      chat: byId("chat").value === "chat",
      tokens: this.number("max-tokens", "tokens"),
      temperature: this.number("temperature", "the temperature"),
      seed: this.number("seed", "the seed"),
    };
    const segments = fill ? this.segments() : null;
    if (!prompt.trim() && (options.chat || !segments || !leadOf(segments)[0])) throw new Error(`Write something into “${byId("prompt-name").textContent}” first.`);
    if (fill && !segments.some((one) => one.hole)) throw new Error("Put a hole into the text first: ___");
    if (decoders.length < this.fewest) throw new Error(this.fewest > 1 ? "Choose two decoders, or more, to see them side by side." : "Choose a decoder.");
    return { prompt, segments, decoders, options };
  }

  number(id, name) {
    const field = byId(id);
    if (!field.value || !field.checkValidity()) throw new Error(`For ${name}: a number from ${field.min} to ${field.max}.`);
    return Number(field.value);
  }
}
