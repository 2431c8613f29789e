/* Dark or light: as the machine has it, as the hash asks (#dark, #light), or by the button. */

/** What the hash asks for: flags are "". */
function wishes() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function layTheme() {
  const wish = wishes();
  if ("dark" in wish) setTheme("dark");
  if ("light" in wish) setTheme("light");
  document.getElementById("theme").addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
    setTheme(now === "dark" ? "light" : "dark");
  });
}
