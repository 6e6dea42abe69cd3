// Says plainly what is wrong where a Node too old would otherwise end in a syntax error.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `Developing Shoal needs Node 22.18 or later (it runs .ts files directly), and this is ${process.version}.\n` +
      'Run "npm ci" without --ignore-scripts: it puts the right Node into node_modules/.bin.\n',
  );
  process.exit(1);
}
