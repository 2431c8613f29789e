/* A text as the server writes it: its events become steps of a trace.

     const run = unwritten("jacobi")
     await write(run, {url, body, key, signal, heard})      heard(): the run has got more

   A failure never throws what was written away: `run.notice` says what happened, in words. */

const NOTHING = { anyorder_trace: 1, tokens: [[]], status: [[]], logprobs: [[]] };

/** A run that has not begun. */
function unwritten(decoder) {
  return {
    decoder,
    row: 0,
    state: "unwritten",
    trace: readTrace([NOTHING]),
    figures: { calls: 0, tokens: 0, seconds: 0, tokens_per_second: 0, same_text: null, note: "" },
    notice: { kind: "", words: "" },
  };
}

/** The sentence of a failed answer. */
async function sentenceOf(answer) {
  let words = "";
  try {
    const { error, detail } = await answer.json();
    words = error?.message || (typeof detail === "string" ? detail : "");
  } catch {
    // no JSON: the number alone tells
  }
  if (answer.status === 429) {
    const after = Number(answer.headers.get("Retry-After"));
    return `The server is busy${after ? `: try again in ${after} s` : ""}. ${words}`.trim();
  }
  return words || `The server answered with ${answer.status}, and no more.`;
}

/** Complete events in `text`: their data, and what is left. */
function eventsIn(text) {
  const parts = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = parts.pop();
  const data = parts.map((part) =>
    part
      .split("\n")
      .filter((line) => line.startsWith("data:"))
      .map((line) => line.slice(5).trimStart())
      .join("\n")
  );
  return { data: data.filter((one) => one), rest };
}

/** Take up one event. */
function take(run, event) {
  if (event.error) throw new Error(event.error.message || "The server gave up, and did not say why.");
  const told = event.anyorder;
  if (!told) return;
  for (const raw of told.trace || []) {
    const line = typeof raw === "string" ? JSON.parse(raw) : raw;
    if (line.anyorder_trace !== undefined) {
      run.trace = readTrace([line]);
      run.trace.facts = { decoder: run.decoder };
    } else if (line.calls !== undefined) run.trace.steps.push(line);
    if (line.facts !== undefined) Object.assign(run.trace.facts, line.facts);
    Object.assign(run.trace.pieces, line.pieces);
    Object.assign(run.trace.raw, line.bytes);
  }
  Object.assign(run.trace.pieces, told.pieces);
  Object.assign(run.trace.raw, told.bytes);
}

async function write(run, { url, body, key, signal, heard }) {
  const say = (state, kind, words) => {
    run.state = state;
    run.notice = { kind, words };
    heard(run);
  };
  say("writing", "writing", "waiting for the first step");
  try {
    const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal });
    if (!answer.ok) {
      const words = await sentenceOf(answer);
      return say("failed", "failed", answer.status === 401 ? `${words} Give an API key above.` : words);
    }
    const ended = await readEvents(answer.body.getReader(), run, () => say("writing", "writing", "writing"));
    if (ended) say("done", "", "");
    else say("failed", "failed", "The server went away in the middle. What it wrote until then stands here.");
  } catch (error) {
    if (error.name === "AbortError") return say("stopped", "", "stopped");
    const gone = error instanceof TypeError; // as browsers call a network that fails
    say("failed", "failed", gone ? "The server does not answer. Is it still running? Nothing is lost: press Write again." : error.message);
  }
}

/** Read events until the stream ends; whether it ended as it should. */
async function readEvents(reader, run, heard) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return false;
    const found = eventsIn(rest + decoder.decode(value, { stream: true }));
    rest = found.rest;
    for (const data of found.data) {
      if (data === "[DONE]") return true;
      take(run, JSON.parse(data));
    }
    heard();
  }
}

/** The text of a run after its prompt, as it stands at the end. */
function textOf(run) {
  const cells = story(run.trace, run.row).at(-1).cells;
  const written = cells.map((cell) => (cell.origin !== "given" && cell.status >= DRAFT ? cell.token : null));
  return spell(written, run.trace.pieces, run.trace.raw).texts.join("");
}

/** What a finished run came to, held against the first one. */
function figuresOf(run, first) {
  const { sums } = reel(run.trace, run.row);
  const { calls, tokens, seconds } = sums.at(-1);
  const same = first && first !== run && first.state === "done" ? textOf(run) === textOf(first) : null;
  return { ...run.figures, calls, tokens, seconds, tokens_per_second: seconds ? tokens / seconds : 0, same_text: same };
}
