/** The button that switches between dark and light. The server reads the cookie, so no page flashes. */

// Lifecycle
for (const button of document.querySelectorAll("[data-theme-toggle]")) button.addEventListener("click", toggle);

// Actions
function toggle() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
}

// Private
function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme === "dark" || (theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
}
