/* The page: reads its data, draws the table of results, opens the player, keeps the address.

   The address' hash says what is shown: #dark&prompt=1&show=0,3&clock=calls&below=graph&at=2.5 */

/** The groups of the page, their traces read; a trace that can't be read is left out, and named. */
function readGroups(data) {
  const broken = [];
  const groups = data.groups.map((group) => ({ ...group, runs: [] }));
  data.groups.forEach((group, n) => {
    for (const run of group.runs) {
      try {
        groups[n].runs.push({ ...run, trace: readTrace(run.trace, data.pieces) });
      } catch (error) {
        broken.push(`${run.decoder} on ${group.name}: ${error.message}`);
      }
    }
  });
  return { groups: groups.filter((group) => group.runs.length), broken };
}

/** First the baseline, beside it the fastest that is not known to write another text. */
function firstPair(runs) {
  const speed = ({ same_text: same, tokens_per_second: rate }) => (same === false ? 0 : rate);
  const speeds = runs.map((run) => speed(run.figures));
  const best = speeds.indexOf(Math.max(...speeds));
  return best > 0 ? [0, best] : [0, 1];
}

function openPage() {
  layTheme();
  const data = JSON.parse(document.getElementById("data").textContent);
  const { groups, broken } = readGroups(data);
  for (const sentence of broken) document.getElementById("errors").append(make("p", "", sentence));
  if (!groups.length) return;
  const wish = wishes();
  const player = new Player(document.getElementById("player"), groups);
  const table = document.getElementById("results");
  if (!table) player.unit = "calls"; // to look at, not to compare
  if (table) drawDrafts(document.getElementById("drafts"), groups);
  if (table) drawResults(table, groups, (prompt, decoder) => {
    const first = groups[prompt].runs[0].decoder;
    player.open(prompt, first === decoder ? [first] : [first, decoder], 0);
    document.getElementById("player").scrollIntoView();
    player.play();
  });
  const prompt = Math.min(Number(wish.prompt) || 0, groups.length - 1);
  const pair = wish.show ? wish.show.split(",").map(Number) : firstPair(groups[prompt].runs);
  if (wish.clock) player.unit = wish.clock === "calls" ? "calls" : "seconds";
  if (wish.below === "graph") player.below = "graph";
  player.open(prompt, pair, wish.at === undefined ? Infinity : Number(wish.at));
  let later = 0; // browsers refuse an address that changes with every move of a finger
  player.changed = () => {
    clearTimeout(later);
    later = setTimeout(() => keepAddress(player), 300);
  };
}

function keepAddress(player) {
  const { theme } = document.documentElement.dataset;
  const show = player.shown.map((run) => player.runs.indexOf(run)).join();
  const at = player.at < player.end ? `&at=${Number(player.at.toFixed(3))}` : "";
  const clock = player.unit === "calls" ? "&clock=calls" : "";
  const below = player.below === "graph" ? "&below=graph" : "";
  const hash = `#prompt=${player.prompt}&show=${show}${clock}${below}${at}${theme ? `&${theme}` : ""}`;
  history.replaceState(null, "", hash);
}

openPage();
