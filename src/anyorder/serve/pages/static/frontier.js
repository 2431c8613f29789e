/* Quality against latency: a chart for each result, since only points of one result were measured
   together. Axes, scales and ticks are D3's, which is loaded when the view is first opened.

     await showFrontier(element, evidence, task)     evidence: of page/evidence.json */

const CHART = { width: 520, height: 330, left: 52, right: 24, top: 16, bottom: 44 };

function loadD3() {
  if (window.d3) return Promise.resolve();
  return new Promise((done, failed) => {
    const script = make("script");
    script.src = "page/d3.js";
    script.addEventListener("load", done);
    script.addEventListener("error", () => failed(new Error("d3.js did not come")));
    document.head.append(script);
  });
}

async function showFrontier(element, evidence, wished) {
  await loadD3();
  CHART.width = Math.max(300, Math.min(520, element.clientWidth - 24)); // letters keep their size
  const tasks = Object.entries(evidence.tasks).filter(([task]) => evidence.charts.some((one) => one.task === task));
  const task = tasks.some(([one]) => one === wished) ? wished : tasks[0][0];
  const charts = evidence.charts.filter((one) => one.task === task);
  const head = make("h1", "", "What speed costs");
  head.id = "frontier-head";
  const lead = make(
    "p",
    "lead",
    `Quality against latency, as it was measured: up and to the left is better. Each chart is one result, whose rows took turns on one machine; points of different charts can’t be compared. The line joins those that nothing in their chart beats. Bars are the spread over seeds.`
  );
  const chosen = make("nav", "prompts tasks");
  chosen.setAttribute("aria-label", "Tasks");
  for (const [one, title] of tasks) {
    const link = make("a", "", title);
    link.href = `#frontier=${encodeURIComponent(one)}`;
    if (one === task) link.setAttribute("aria-current", "true");
    chosen.append(link);
  }
  element.replaceChildren(head, lead, chosen, make("div", "charts", ...charts.map(chartFigure)));
}

/** Points that no other beats in both, the quickest first. */
function unbeaten(points, moreIsBetter) {
  const better = (a, b) => (moreIsBetter ? a > b : a < b);
  const found = [];
  for (const point of [...points].sort((a, b) => a.milliseconds - b.milliseconds)) {
    if (!found.length || better(point.quality, found.at(-1).quality)) found.push(point);
  }
  return found;
}

function chartFigure(chart) {
  const title = make("a", "", chart.title);
  title.href = `#system=${chart.slug}`;
  const kind = chart.quality.more_is_better ? "higher is better" : "lower is better, so down is up here";
  const figure = make("figure", "chart", make("h2", "", title), drawChart(chart), chartTable(chart));
  figure.querySelector("svg").setAttribute("aria-label", `${chart.title}: ${chart.quality.title} (${kind}) against ${chart.unit}`);
  return figure;
}

/** Each chart has scales of its own: no point of it is held against another chart’s. */
function scales({ points, quality }) {
  const took = d3.extent(points, (point) => point.milliseconds);
  const lowest = d3.min(points, (point) => point.quality - point.quality_spread);
  const highest = d3.max(points, (point) => point.quality + point.quality_spread);
  const pad = (highest - lowest) * 0.2 || 0.1 * (highest || 1);
  const { left, right, top, bottom, width, height } = CHART;
  const ends = [Math.max(0, lowest - pad), highest + pad];
  return {
    x: d3.scaleLog([took[0] / 1.5, took[1] * 1.9], [left, width - right]),
    y: d3.scaleLinear(quality.more_is_better ? ends : ends.reverse(), [height - bottom, top + 6]),
  };
}

function drawChart(chart) {
  const { x, y } = scales(chart);
  const { left, bottom, top, width, height, right } = CHART;
  const svg = d3.create("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", "group");
  const percentages = chart.quality.metric !== "bleu";
  const values = y.ticks(5).filter((value) => !percentages || value <= 1);
  const ticks = d3.axisLeft(y).tickValues(values).tickFormat(y.tickFormat(5, percentages ? "%" : undefined)).tickSize(left + right - width).tickSizeOuter(0);
  svg.append("g").attr("class", "axis grid").attr("transform", `translate(${left} 0)`).call(ticks);
  const below = d3.axisBottom(x).tickValues(logTicks(x.domain())).tickFormat(d3.format("~g")).tickSizeOuter(0);
  svg.append("g").attr("class", "axis").attr("transform", `translate(0 ${height - bottom})`).call(below);
  svg.append("text").attr("class", "title").attr("x", width - right).attr("y", height - 6).attr("text-anchor", "end").text(`${chart.unit} →`);
  svg.append("text").attr("class", "title").attr("x", 4).attr("y", top - 4).text(`${chart.quality.more_is_better ? "↑" : "better ↑"} ${chart.quality.title}`);
  const best = unbeaten(chart.points, chart.quality.more_is_better);
  const line = d3.line((p) => x(p.milliseconds), (p) => y(p.quality)).curve(d3.curveStepAfter);
  svg.append("path").attr("class", "frontier").attr("d", line(best));
  drawPoints(svg, chart, x, y);
  return svg.node();
}

/** 1, 2 and 5 of each power of ten; other round numbers where these are too few. */
function logTicks([from, to]) {
  const found = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.log10(to); power++) {
    for (const n of [1, 2, 5]) if (n * 10 ** power >= from && n * 10 ** power <= to) found.push(n * 10 ** power);
  }
  return found.length > 2 ? found : d3.ticks(from, to, 4);
}

function drawPoints(svg, chart, x, y) {
  const places = labelPlaces(chart.points, x, y);
  const links = svg
    .selectAll("a")
    .data(chart.points)
    .join("a")
    .attr("class", (p) => (p.own ? "point own" : "point"))
    .attr("href", (p) => `#system=${p.slug}`)
    .attr("aria-label", (p) => `${p.row}: ${qualityOf(chart, p)}, ${p.milliseconds.toPrecision(3)} ${chart.unit}`);
  links.append("title").text((p) => `${p.row}: ${qualityOf(chart, p)}, ${p.milliseconds.toPrecision(3)} ${chart.unit}`);
  links
    .append("line")
    .attr("class", "spread")
    .attr("x1", (p) => x(p.milliseconds))
    .attr("x2", (p) => x(p.milliseconds))
    .attr("y1", (p) => y(p.quality - p.quality_spread))
    .attr("y2", (p) => y(p.quality + p.quality_spread));
  links
    .append("path")
    .attr("d", (p) => d3.symbol(p.own ? d3.symbolCircle : d3.symbolDiamond2, p.own ? 110 : 70)())
    .attr("transform", (p) => `translate(${x(p.milliseconds)} ${y(p.quality)})`);
  links
    .append("text")
    .attr("x", (p) => places.get(p).x)
    .attr("y", (p) => places.get(p).y)
    .attr("text-anchor", (p) => places.get(p).anchor)
    .text((p) => places.get(p).name);
}

/** A row's name without the task, which stands above. */
function shortName(row, most = CHART.width < 420 ? 24 : 40) {
  const name = row.replace(/^en-de(, |: )/, "");
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}

const LETTER = 6.3; // pixels
const BRIEF = 12; // letters of a name for which there is no more room
const SIDES = [[9, 4], [-9, 4], [9, -9], [9, 17], [-9, -9], [-9, 17], [9, 30], [-9, 30], [9, -22], [-9, -22], [9, 43]];

/** Beside each point, on the first side where it lies on no other label and no point. */
function labelPlaces(points, x, y) {
  const boxOf = (left, right, at, half) => ({ left, right, top: at - half, bottom: at + half });
  const taken = points.map((p) => boxOf(x(p.milliseconds) - 6, x(p.milliseconds) + 6, y(p.quality), 6));
  const free = (box) =>
    box.left > CHART.left - 6 && box.right < CHART.width && box.bottom < CHART.height - CHART.bottom + 6 &&
    !taken.some((one) => one.left < box.right && one.right > box.left && one.top < box.bottom && one.bottom > box.top);
  const places = new Map();
  for (const point of [...points].sort((a, b) => y(a.quality) - y(b.quality))) {
    const [px, py] = [x(point.milliseconds), y(point.quality)];
    const boxes = [shortName(point.row), shortName(point.row, BRIEF)].flatMap((name) =>
      SIDES.map(([dx, dy]) => {
        const [near, far] = [px + dx, px + dx + Math.sign(dx) * LETTER * name.length];
        return { ...boxOf(Math.min(near, far), Math.max(near, far), py + dy - 4, 6), x: near, y: py + dy, dx, name };
      })
    );
    const box = boxes.find(free) || boxes.at(px < CHART.width / 2 ? -SIDES.length : 1 - SIDES.length);
    taken.push(box);
    places.set(point, { x: box.x, y: box.y, anchor: box.dx > 0 ? "start" : "end", name: box.name });
  }
  return places;
}

function qualityOf(chart, point) {
  const { metric, title } = chart.quality;
  return metric === "bleu" ? `${title} ${point.quality.toFixed(1)}` : `${title} ${(100 * point.quality).toFixed(1)} %`;
}

/** The same in figures. */
function chartTable(chart) {
  const heads = ["", chart.quality.title, chart.unit].map((name, n) => {
    const cell = make("th", n ? "number" : "", name);
    cell.scope = "col";
    return cell;
  });
  const rows = chart.points.map((point) => {
    const name = make("th", "", point.row);
    name.scope = "row";
    const good = chart.quality.metric === "bleu" ? point.quality.toFixed(1) : `${(100 * point.quality).toFixed(1)} %`;
    return make("tr", "", name, make("td", "number", good), make("td", "number", point.milliseconds.toPrecision(3)));
  });
  const table = make("table", "", make("thead", "", make("tr", "", ...heads)), make("tbody", "", ...rows));
  return make("details", "", make("summary", "", "in figures"), table);
}
