import { createShoal, serveMedia } from 'shoal';

const shoal = await createShoal({
  network: new URLSearchParams(location.search).get('network') ?? undefined,
});
const media = await serveMedia(shoal);

const link = decodeURIComponent(location.hash.slice(1));
const asset = await shoal.open(link);
document.querySelector('img').src = media.url(asset);

const { blob } = await asset.save({
  onProgress: ({ bytes, total }) => (document.querySelector('progress').value = bytes / total),
});
document.querySelector('output').textContent = `${asset.name}: ${blob.size} bytes`;
