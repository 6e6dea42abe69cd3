// For when nothing else of the page runs: plain words in old JavaScript.
(function () {
  function tell(title, text, again) {
    document.getElementById('status').hidden = true;
    document.getElementById('start').hidden = true;
    document.getElementById('problem').hidden = false;
    document.getElementById('problem-close').hidden = true;
    document.getElementById('problem-again').hidden = !again;
    document.getElementById('problem-again').onclick = function () {
      location.reload();
    };
    document.getElementById('problem-title').textContent = title;
    document.getElementById('problem-text').textContent = text;
  }
  // Browsers that know no modules have none of the rest.
  if (!('noModule' in document.createElement('script'))) {
    document.addEventListener('DOMContentLoaded', function () {
      tell(
        'This browser is too old',
        'It lacks what this page is made of. Use a browser of 2024 or later.',
        false,
      );
    });
  }
  // The page's script, or what that imports, did not come: of such an event only its element is told.
  document.addEventListener(
    'error',
    function (event) {
      if (event.target.tagName !== 'SCRIPT') return;
      tell(
        'A part of this page did not come',
        'The network, or the server of this page, may have been away for a moment.',
        true,
      );
    },
    true,
  );
})();
