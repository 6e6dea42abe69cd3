// For browsers that know no modules, and so none of the rest: plain words in old JavaScript.
document.addEventListener('DOMContentLoaded', function () {
  document.getElementById('status').hidden = true;
  document.getElementById('start').hidden = true;
  document.getElementById('problem').hidden = false;
  document.getElementById('problem-close').hidden = true;
  document.getElementById('problem-title').textContent = 'This browser is too old';
  document.getElementById('problem-text').textContent =
    'It lacks what this page is made of. Use a browser of 2024 or later.';
});
