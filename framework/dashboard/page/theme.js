// Before the first paint: light, dark, or what the system says.
try {
  const wanted = localStorage.getItem('weir-theme');
  if (wanted === 'light' || wanted === 'dark') document.documentElement.dataset.theme = wanted;
} catch { /* a browser that keeps nothing */ }
