// A page that fetches what a link names: an example of the SDK in a browser, in plain JavaScript and without a build.
import { createShoal, ShoalError } from './shoal.min.js';

const at = (id) => document.getElementById(id);
const text = (bytes) => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
const network = new URLSearchParams(location.search).get('network') ?? undefined;

/** One node for the page, made when it is first needed. */
let node;
/** Ends what is under way when another link is opened. */
let current = new AbortController();

function showProblem(error) {
  at('problem').hidden = false;
  at('problem').textContent =
    error instanceof ShoalError ? `${error.message} (${error.code})` : String(error?.message ?? error);
}

function showProgress({ bytes, total, bytesPerSec, peers, sources, phase }) {
  at('progress').value = total > 0 ? bytes / total : 1;
  const speed =
    phase === 'fetching' ? `, ${text(bytesPerSec)}/s from ${peers} ${peers === 1 ? 'peer' : 'peers'}` : '';
  at('state').textContent =
    phase === 'searching' ? 'Looking for somebody who has it…' : `${text(bytes)} of ${text(total)}${speed}`;
  at('sources').replaceChildren(
    ...sources.map((source) => {
      const row = document.createElement('tr');
      row.insertCell().textContent = `…${source.peer.slice(-12)}`;
      row.insertCell().textContent = text(source.bytes);
      return row;
    }),
  );
}

/** A line with a button that fetches a file, and then the link to save it by. */
function fileLine(asset, path, size, signal) {
  const line = document.createElement('li');
  const button = document.createElement('button');
  const name = path || asset.name || asset.cid;
  button.textContent = `${name} (${text(size)})`;
  button.addEventListener('click', () => void fetchFile(line, asset, path, name, signal));
  line.append(button);
  return { line, button };
}

async function fetchFile(line, asset, path, name, signal) {
  try {
    const { blob } = await asset.save({ path, signal, onProgress: showProgress });
    const anchor = document.createElement('a');
    anchor.className = 'button';
    anchor.href = URL.createObjectURL(blob);
    anchor.download = name.split('/').at(-1);
    anchor.textContent = `Save ${name}`;
    line.replaceChildren(anchor);
    at('state').textContent = `Here, all ${text(blob.size)} of it, and verified.`;
    at('progress').value = 1;
  } catch (error) {
    if (!signal.aborted) showProblem(error);
  }
}

async function open(link) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  at('problem').hidden = true;
  at('asset').hidden = true;
  at('files').replaceChildren();
  at('sources').replaceChildren();
  try {
    node ??= createShoal({ network });
    const shoal = await node;
    showProgress({ bytes: 0, total: 1, phase: 'searching', sources: [] });
    at('name').textContent = new URLSearchParams(link.split('?')[1]).get('n') ?? '';
    at('asset').hidden = false;
    const asset = await shoal.open(link, { signal });
    at('name').textContent = asset.name ?? asset.cid;
    for await (const { type, path, size } of asset.entries({ signal })) {
      if (type !== 'file') continue;
      const { line, button } = fileLine(asset, path, size, signal);
      at('files').append(line);
      if (asset.type === 'file') button.click();
      else at('state').textContent = 'Choose a file.';
    }
  } catch (error) {
    if (signal.aborted) return;
    at('asset').hidden = true;
    // A node that could not start is tried again with the next link.
    if (error.code === 'ERR_INSECURE_CONTEXT' || error.code === 'ERR_UNSUPPORTED_PLATFORM') node = undefined;
    showProblem(error);
  }
}

at('form').addEventListener('submit', (event) => {
  event.preventDefault();
  void open(at('link').value.trim());
});

document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  const dropped = event.dataTransfer.getData('text').trim();
  if (dropped.startsWith('shoal:')) {
    at('link').value = dropped;
    void open(dropped);
  } else {
    showProblem(
      new Error(
        'A page cannot share files in this version: run "shoal share FILE", and open the link it prints.',
      ),
    );
  }
});

// A link to this page may carry a link of Shoal behind its #.
const inAddress = decodeURIComponent(location.hash.slice(1));
if (inAddress !== '') {
  at('link').value = inAddress;
  void open(inAddress);
}
