/* The systems: a list, and a page for each, drawn from its file and its result.

     showSystems(element, evidence, slug)       slug: undefined for the list */

const SIGN = { holds: "✓", partly: "◐", "not at this scale": "✕" };

function showSystems(element, evidence, slug) {
  const system = evidence.systems.find((one) => one.slug === slug);
  element.replaceChildren(...(system ? systemPage(system, evidence) : systemList(evidence, slug)));
}

function headOf(words) {
  const head = make("h1", "", words);
  head.id = "systems-head";
  return head;
}

function linkTo(hash, words) {
  const link = make("a", "", words);
  link.href = hash;
  return link;
}

function systemList(evidence, slug) {
  const { systems, families } = evidence;
  const working = systems.filter((one) => one.works);
  const parts = [
    headOf("Systems"),
    make("p", "lead", `A system is one published method, made of the parts of this library. ${systems.length} are gathered; ${working.length} work today and were measured. A verdict is computed from the measurement: ✓ holds, ◐ partly, ✕ not at this scale.`),
  ];
  if (slug) parts.push(make("p", "lead", `There is no system ${slug}.`));
  const later = make("div", "open-families"); // families of which nothing works yet
  for (const [family, title] of Object.entries(families)) {
    const ours = working.filter((one) => one.family === family);
    const open = systems.filter((one) => one.family === family && !one.works);
    if (!ours.length && !open.length) continue;
    if (!ours.length) {
      later.append(stillOpen(`${title}:\u00a0${open.length}`, open));
      continue;
    }
    parts.push(make("h2", "", title));
    const lines = ours.map((one) => make("li", "", linkTo(`#system=${one.slug}`, one.title), " ", verdicts(one.claims)));
    parts.push(make("ul", "system-list", ...lines));
    if (open.length) parts.push(stillOpen(`${open.length} still open`, open));
  }
  if (later.children.length) parts.push(make("h2", "", "Still open"), later);
  return parts;
}

function stillOpen(summary, systems) {
  const names = systems.map((one) => make("li", "", one.title));
  return make("details", "", make("summary", "", summary), make("ul", "open-list", ...names));
}

function verdicts(claims) {
  const signs = claims.map((claim) => {
    const sign = make("span", `verdict ${claim.verdict === "holds" ? "yes" : "no"}`, SIGN[claim.verdict]);
    sign.title = `${claim.verdict}: ${claim.text}`;
    return sign;
  });
  const all = make("span", "verdicts", ...signs);
  all.setAttribute("role", "img");
  all.setAttribute("aria-label", claims.map((claim) => claim.verdict).join(", "));
  return all;
}

function systemPage(system, evidence) {
  const back = make("p", "back", linkTo("#systems", "all systems"));
  const parts = [back, headOf(system.title)];
  if (!system.works) return [...parts, make("p", "lead", "This one is still open: nobody has built it here yet.")];
  parts.push(make("p", "lead", `${system.paper}. Number ${system.number}, ${evidence.families[system.family].toLowerCase()}.`));
  parts.push(make("p", "mechanism", system.mechanism));
  const names = system.parts.flatMap((name, n) => [n ? ", " : "", make("code", "", name)]);
  parts.push(make("p", "", "Made of ", ...names, `. Laws ${system.laws.join(", ")} hold of it.`));
  parts.push(make("h2", "", "Verdicts"), scrolling(claimTable(system.claims), "Verdicts"));
  parts.push(make("h2", "", "Measured"));
  for (const table of system.tables) parts.push(scrolling(measuredTable(table), "Measured"));
  parts.push(make("p", "small", system.provenance));
  const tasks = [...new Set(evidence.charts.filter((one) => one.slug === system.slug).map((one) => one.task))];
  if (tasks.length) {
    const links = tasks.flatMap((task, n) => [n ? ", " : "", linkTo(`#frontier=${task}`, evidence.tasks[task])]);
    parts.push(make("p", "", "Quality against latency: ", ...links, "."));
  }
  parts.push(make("h2", "", "Run it"));
  const quick = make("pre", "", `${system.again} --quick     # the whole path, in seconds\n${system.again}             # all of it, about ${system.minutes} minutes on two cores`);
  quick.tabIndex = 0;
  parts.push(quick);
  return parts;
}

function scrolling(table, name) {
  const box = make("div", "scroll", table);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", name);
  return box;
}

function claimTable(claims) {
  const heads = ["claim", "verdict", "measured", "against", "spread"].map((name, n) => make("th", n > 1 ? "number" : "", name));
  const rows = claims.map((claim) => {
    const sign = `${SIGN[claim.verdict]} ${claim.verdict}`;
    const numbers = [claim.value, claim.against, claim.spread].map((value) => make("td", "number", value));
    return make("tr", "", make("td", "wrap", claim.text), make("td", `verdict ${claim.verdict === "holds" ? "yes" : "no"}`, sign), ...numbers);
  });
  return make("table", "claims", make("thead", "", make("tr", "", ...heads)), make("tbody", "", ...rows));
}

function measuredTable({ columns, rows }) {
  const heads = ["", ...columns].map((name, n) => make("th", n ? "number" : "", name));
  const lines = rows.map(([name, ...values]) => make("tr", "", make("th", "", name), ...values.map((value) => make("td", "number", value))));
  return make("table", "plain", make("thead", "", make("tr", "", ...heads)), make("tbody", "", ...lines));
}
