import { render } from 'preact';
import { App } from './app.tsx';
import { connect } from './connection.ts';
import { ConnectionContext } from './hooks.ts';
import { showTexts } from './texts.ts';
import { applyTheme } from './theme.tsx';

applyTheme();
showTexts();
const root = document.getElementById('app');
if (root !== null) {
  render(
    <ConnectionContext.Provider value={connect()}>
      <App />
    </ConnectionContext.Provider>,
    root,
  );
}
