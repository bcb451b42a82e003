import { useState } from 'preact/hooks';

const themes = ['auto', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];
const key = 'reaper-theme';

const stored = (): Theme => themes.find((theme) => theme === localStorage.getItem(key)) ?? 'auto';

export const applyTheme = (theme = stored()): void => {
  localStorage.setItem(key, theme);
  document.documentElement.dataset.theme = theme;
};

export const ThemeSwitch = () => {
  const [theme, setTheme] = useState(stored());
  const choose = (next: Theme) => {
    applyTheme(next);
    setTheme(next);
  };
  return (
    <label class="theme">
      <span class="hidden">Colours</span>
      <select value={theme} onChange={({ currentTarget }) => choose(currentTarget.value as Theme)}>
        <option value="auto">Auto</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
};
