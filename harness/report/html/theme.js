// Light, dark, or as the system says; remembered where the browser allows it.
(() => {
  const names = ["system", "light", "dark"];
  const root = document.documentElement;
  const read = () => { try { return localStorage.getItem("harness-theme"); } catch { return null; } };
  const write = (name) => { try { localStorage.setItem("harness-theme", name); } catch { /* private window */ } };
  const apply = (name) => {
    if (name === "system") delete root.dataset.theme; else root.dataset.theme = name;
    const button = document.getElementById("theme");
    if (button) { button.hidden = false; button.textContent = `Theme: ${name}`; }
  };
  let chosen = names.includes(read()) ? read() : "system";
  apply(chosen);
  const start = () => {
    apply(chosen);
    document.getElementById("theme")?.addEventListener("click", () => {
      chosen = names[(names.indexOf(chosen) + 1) % names.length];
      write(chosen);
      apply(chosen);
    });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
