/* A text with holes, and what a request makes of it. Knows no page.

     segmentsOf("A ___ cat", 6)      [{text: "A "}, {hole: 6}, {text: " cat"}]
     around(cells, begin, locked, words)    the same of a written text of which some cells are held fast */

const HOLE = /_{3,}(?::(\d+):?)?/; // ___ or, with its own number of tokens, ___:12 or ___:12:

function segmentsOf(text, size) {
  const found = [];
  let rest = text;
  for (let hole = HOLE.exec(rest); hole; hole = HOLE.exec(rest)) {
    if (hole.index) found.push({ text: rest.slice(0, hole.index) });
    found.push({ hole: Math.max(1, Number(hole[1] || size)) });
    rest = rest.slice(hole.index + hole[0].length);
  }
  if (rest) found.push({ text: rest });
  return found;
}

/** What stands before the first hole, which a causal model reads like its prompt; and the rest. */
function leadOf(segments) {
  const leads = segments.length > 0 && segments[0].text !== undefined;
  return leads ? [segments[0].text, segments.slice(1)] : ["", segments];
}

/** The cells from `begin` on: those that are locked (or were held before) as texts, others as holes.
    `words[n]` is the text of cell n. */
function around(cells, begin, locked, words) {
  const found = [];
  for (let n = begin; n < cells.length; n++) {
    const held = locked.has(n) || cells[n].origin === "given";
    const last = found.at(-1);
    if (held && last?.text !== undefined) last.text += words[n];
    else if (held) found.push({ text: words[n] });
    else if (last?.hole) last.hole += 1;
    else found.push({ hole: 1 });
  }
  return found;
}

/** The body of a request. */
function bodyOf({ decoder, model, prompt, segments, options }) {
  const { chat, tokens, temperature, seed } = options;
  const holes = segments && segments.some((one) => one.hole);
  const body = { decoder, temperature, seed, stream: true, trace: true };
  if (model) body.model = model;
  let asked = prompt;
  if (holes) {
    const [lead, rest] = leadOf(segments);
    const begins = !chat && lead; // a text goes on from its beginning
    asked = begins ? prompt + lead : prompt;
    body.infill = begins ? rest : segments;
  }
  if (!holes) body.max_tokens = tokens; // else the server knows what its holes take
  if (!chat) return { url: "v1/completions", body: { ...body, prompt: asked, logprobs: 5 } };
  const messages = [{ role: "user", content: asked }];
  return { url: "v1/chat/completions", body: { ...body, messages, logprobs: true, top_logprobs: 5 } };
}
