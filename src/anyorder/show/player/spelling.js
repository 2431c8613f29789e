/* What each cell of a text shows, where a character may take several tokens. Twin of
   show/spelling.py, which does not join signs.

     const { texts, heads } = spell(tokens, pieces, raw)      raw: {token: "f09f"}, bytes of parts
     spell([token], pieces, raw).texts[0]                     one token alone: <F0><9F>

   A character stands in the cell in which it begins. `heads[n]` is the cell in which what cell n goes
   on with begins; n itself, if it goes on with nothing. null among the tokens: a cell that holds
   nothing, over which no character goes on. */

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SIGNS = typeof Intl.Segmenter === "function" ? new Intl.Segmenter("en") : null;

function spell(tokens, pieces, raw) {
  const speller = new Speller(tokens.length);
  tokens.forEach((token, n) => {
    if (token !== null && raw[token] !== undefined) {
      for (const byte of bytesOf(raw[token])) speller.push(n, byte);
      return;
    }
    speller.giveUp();
    if (token !== null) speller.texts[n] += pieces[token] ?? `⟨${token}⟩`;
  });
  speller.giveUp();
  joinSigns(tokens, speller);
  return speller;
}

function bytesOf(hex) {
  return hex.match(/../g).map((two) => parseInt(two, 16));
}

class Speller {
  constructor(count) {
    this.texts = Array.from({ length: count }, () => "");
    this.heads = this.texts.map((_, n) => n);
    this.begun = []; // [cell, byte] of a character
  }

  push(cell, byte) {
    if (byte < 0x80 || byte >= 0xc0 || !this.begun.length) this.giveUp();
    this.begun.push([cell, byte]);
    const [head, first] = this.begun[0];
    if (this.begun.length < 1 + (first >= 0xc2) + (first >= 0xe0) + (first >= 0xf0)) return;
    try {
      this.texts[head] += UTF8.decode(new Uint8Array(this.begun.map(([, one]) => one)));
    } catch {
      this.giveUp();
      return;
    }
    for (const [n] of this.begun) this.heads[n] = Math.min(this.heads[n], head);
    this.begun = [];
  }

  /** What was begun is no character: its bytes are told. */
  giveUp() {
    for (const [cell, byte] of this.begun) {
      this.texts[cell] += `<${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    }
    this.begun = [];
  }
}

/** Signs that one sees as one (a flag, a letter and its accent) stand together, too. */
function joinSigns(tokens, { texts, heads }) {
  let last = -1; // the cell before that shows something
  texts.forEach((text, n) => {
    if (tokens[n] === null) last = -1;
    else if (text) {
      if (last >= 0 && SIGNS && text.codePointAt(0) > 0x7f) {
        const whole = texts[last] + text, at = texts[last].length;
        const { index, segment } = SIGNS.segment(whole).containing(at);
        if (index < at) {
          texts[last] = whole.slice(0, index + segment.length);
          texts[n] = whole.slice(index + segment.length);
          heads[n] = Math.min(heads[n], heads[last], last);
        }
      }
      if (texts[n]) last = n;
    }
  });
}
