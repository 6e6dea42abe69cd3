/**
 * The page that `shoal web` serves, and that any web server may serve: shares what is dropped on it, fetches what a link names,
 * plays it meanwhile, and shows the swarm at work. An example of Shoal in a browser, on its public API alone.
 */
import { AssetView } from './asset-view.ts';
import { chosenOf, droppedOf, pickedOf } from './chosen-files.ts';
import { at, make } from './elements.ts';
import { keepFocus } from './focus.ts';
import { startNode, type Here } from './node.ts';
import { pickFiles, pickFolder } from './pickers.ts';
import { hideProblem, showProblem } from './problem.ts';
import { ShareView, type Chosen } from './share-view.ts';
import { showSharedBefore } from './shared-before.ts';
import { SwarmView } from './swarm-view.ts';
import { countText, plainText, sizeText } from './text.ts';

function showStatus(text: string, state: 'on' | 'off' | 'wait'): void {
  // Peers come and go all the time: a screen reader says whether there are any, not how many.
  at('status').ariaLive = at('status').dataset['state'] === state ? 'off' : 'polite';
  at('status-text').textContent = text;
  at('status').dataset['state'] = state;
}

/** The link behind the # of the page's address. */
function linkInAddress(): string {
  const text = location.hash.slice(1);
  if (!/^shoal%3a/i.test(text)) return text;
  // Some programs escape it all when they make it a link, and some cut it off.
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Lists what earlier visits left here. */
async function showKept({ shoal }: Pick<Here, 'shoal'>): Promise<void> {
  const rows: HTMLLIElement[] = [];
  for await (const { cid, name, bytes, bytesHere, state } of shoal.list()) {
    if (state === 'shared') continue;
    const title = plainText(name ?? cid);
    const part = state === 'complete' || bytes === undefined ? '' : ` of ${sizeText(bytes)}`;
    // What was only looked at takes room, too.
    const isNothing = bytesHere === 0 && state === 'partial';
    const open = make('button', { type: 'button', className: 'quiet' }, 'Open');
    open.setAttribute('aria-label', `Open ${title}`);
    open.onclick = () => (location.hash = cid);
    const remove = make('button', { type: 'button', className: 'quiet' }, 'Remove');
    remove.setAttribute('aria-label', `Remove ${title}`);
    remove.onclick = async () => {
      await shoal.remove(cid).catch(showProblem);
      await showKept({ shoal });
      const left = [...at('kept-list').querySelectorAll<HTMLElement>('button:last-child')];
      keepFocus(left[Math.min(rows.indexOf(row), left.length - 1)]);
      await showStorage({ shoal });
    };
    const size = make(
      'span',
      { className: 'size' },
      isNothing ? `nothing${part || ' of it'} yet` : `${sizeText(bytesHere)}${part}`,
    );
    const row = make('li', {}, make('span', { className: 'name' }, title), size, open, remove);
    rows.push(row);
  }
  at('kept-list').replaceChildren(...rows);
  at('kept').hidden = rows.length === 0;
}

async function showStorage({ shoal }: Pick<Here, 'shoal'>): Promise<void> {
  const { kind, why, usedBytes, quotaBytes, isPersistent, wasEvicted } = await shoal.storage();
  if (kind === 'memory') {
    at('storage').textContent = `What is fetched is kept until this page is closed${why ? `: ${why}` : ''}.`;
    return;
  }
  // WebKit tells of nothing, whatever it keeps.
  const figures = [
    ...(usedBytes ? [sizeText(usedBytes)] : []),
    ...(quotaBytes === undefined ? [] : [`room for ${sizeText(Math.max(0, quotaBytes - (usedBytes ?? 0)))}`]),
  ].join(', with ');
  const until = `until you remove it${isPersistent ? '' : ', or the browser needs the room'}`;
  const gone = wasEvicted
    ? ' What was kept on an earlier visit is gone: the browser deleted it, or whoever cleared the data of this site.'
    : '';
  at('storage').textContent =
    `What is fetched is kept in this browser${figures && ` (${figures})`} ${until}.${gone}`;
}

/** What the page can do once its node runs. */
interface App {
  /** Shows what the address names: a link, or the start. */
  route(): Promise<void>;
  share(chosen: Chosen | undefined): Promise<void>;
  showPeers(): void;
}

function run(here: Here): App {
  const swarm = new SwarmView(here);
  const asset = new AssetView(here, swarm);
  const share = new ShareView(here, swarm);
  const showLists = async (): Promise<void> => {
    await showKept(here);
    await showStorage(here);
    await showSharedBefore(here, {
      show: (cid) => void share.show(cid),
      share: (chosen) => void app.share(chosen).catch(showProblem),
    });
  };
  const app: App = {
    async route() {
      const link = linkInAddress();
      if (link === '') {
        asset.close();
        document.title = 'Shoal';
        at('start').hidden = false;
        keepFocus();
        await showLists();
      } else {
        // Meanwhile something else may be opened, or shared: then that is shown.
        const isStill = (): boolean => linkInAddress() === link;
        await share.close();
        if (!isStill()) return;
        at('link', HTMLInputElement).value = link;
        await asset.open(link);
        await (at('start').hidden ? showStorage(here) : showLists());
      }
    },
    async share(chosen) {
      if (!chosen) return;
      if (location.hash !== '') history.pushState(null, '', location.pathname + location.search);
      asset.close();
      await share.share(chosen);
    },
    showPeers() {
      if (swarm.peers > 0) showStatus(`Connected to ${countText(swarm.peers, 'peer')}`, 'on');
      else showStatus('Connected to nobody', 'wait');
      share.update();
    },
  };
  share.onStop = () => void showLists().catch(showProblem);
  swarm.onPeers = () => app.showPeers();
  app.showPeers();
  addEventListener('pagehide', () => void here.shoal.close());
  addEventListener('pageshow', (event) => {
    if (event.persisted) location.reload();
  });
  return app;
}

/** Listens from the first moment: what a person does before the node runs is done as soon as it does. */
function listen(started: Promise<App>): void {
  const then = (what: (app: App) => unknown): void => {
    // Where it does not start, that has been said.
    started.then(what, () => undefined).catch(showProblem);
  };
  const openLink = (text: string): void => {
    // The address of such a page with a link behind its # is as good as the link.
    const link = text.trim().replace(/^https?:\/\/[^#]*#/, '');
    const before = location.hash;
    location.hash = link;
    // Nobody is told of what was there already, as it is escaped.
    if (location.hash === before) then((app) => app.route());
  };
  addEventListener('hashchange', () => then((app) => app.route()));
  at('form').addEventListener('submit', (event) => {
    event.preventDefault();
    openLink(at('link', HTMLInputElement).value);
  });
  for (const [button, input, pick] of [
    ['choose', 'files', pickFiles],
    ['choose-folder', 'folder', pickFolder],
  ] as const) {
    const field = at(input, HTMLInputElement);
    at(button).addEventListener('click', () => {
      const picking = pick();
      if (!picking) field.click();
      else picking.then((handles) => then((app) => app.share(pickedOf(handles))), showProblem);
    });
    field.addEventListener('change', () => {
      const chosen = field.files ? chosenOf(field.files) : undefined;
      field.value = '';
      then((app) => app.share(chosen));
    });
  }
  addEventListener('dragover', (event) => {
    event.preventDefault();
    document.body.classList.add('dragging');
  });
  addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) document.body.classList.remove('dragging');
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    document.body.classList.remove('dragging');
    const data = event.dataTransfer;
    const text = data?.getData('text').trim() ?? '';
    if (/^(shoal:|https?:[^#]*#shoal:)/i.test(text)) openLink(text);
    else if (data) droppedOf(data).then((chosen) => then((app) => app.share(chosen)), showProblem);
  });
  addEventListener('online', () => then((app) => app.showPeers()));
  addEventListener('offline', () => showStatus('This device is offline', 'off'));
}

async function main(): Promise<void> {
  at('problem-close').addEventListener('click', hideProblem);
  const started = startNode(showProblem).then(run);
  listen(started);
  let app: App;
  try {
    app = await started;
  } catch (error) {
    showStatus('Not running', 'off');
    at('start').hidden = true;
    at('problem-close').hidden = true;
    showProblem(error);
    return;
  }
  await app.route().catch(showProblem);
}

void main();
