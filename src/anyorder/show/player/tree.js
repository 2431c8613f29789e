/* The draft tree of a call, drawn as a grid: a column per depth, a row per branch.

     drawTree({tokens, parents, accepted, root, own}, piece)      elements for a grid container

   What was written stands in the first row: the root, the accepted path, the model's own tokens.
   What was refused hangs below. `piece` gives the text of a token. */

/** Elements of the tree, each placed in the grid. */
function drawTree(draft, piece) {
  const drawn = [];
  let rows = 0;
  function place(node, row, depth) {
    const column = depth + 1;
    drawn.push(at(treeNode(node, piece), row, row, column));
    node.children.forEach((child, n) => {
      const below = n ? ++rows : row;
      drawn.push(at(make("i", n ? "elbow" : "link"), n ? row : below, below, column + 1));
      place(child, below, depth + 1);
    });
  }
  place(growTree(draft), rows, 0);
  return drawn;
}

function at(element, first, last, column) {
  element.style.gridRow = `${first + 1} / ${last + 2}`;
  element.style.gridColumn = `${column}`;
  return element;
}

/** The tree as nested nodes, the written branch first. */
function growTree({ tokens, parents, accepted, root, own }) {
  const kept = new Set(accepted);
  const top = { token: root, kind: "root", children: [] };
  const nodes = tokens.map((token, n) => ({
    token,
    kind: kept.has(n) ? "accepted" : "refused",
    children: [],
  }));
  const above = (n) => (parents[n] < 0 ? top : nodes[parents[n]]);
  nodes.forEach((node, n) => above(n).children[kept.has(n) ? "unshift" : "push"](node));
  let tip = accepted.length ? nodes[accepted.at(-1)] : top;
  for (const token of own) {
    const next = { token, kind: "own", children: [] };
    tip.children.unshift(next);
    tip = next;
  }
  return top;
}

const KIND = {
  root: "the last token before this call",
  accepted: "drafted and accepted",
  refused: "drafted and refused",
  own: "the model’s own choice",
};

function treeNode(node, piece) {
  const words = piece(node.token).replaceAll("\n", "↵");
  const element = make("span", `node ${node.kind}`, words.trim() || words.replaceAll(" ", "␣"));
  element.title = `${JSON.stringify(piece(node.token))}: ${KIND[node.kind]}`;
  return make("span", node.children.length ? "slot inner" : "slot", element);
}

/** Rows that a draft takes when it is drawn: its leaves, and one for the model's own token. */
function branchCount({ parents }) {
  return 1 + parents.filter((_, n) => !parents.includes(n)).length;
}
