"use strict";
(() => {
  // The library and each figure's document are compressed: unpacked when the first figure, or that figure, is opened
  async function unpacked(element) {
    const bytes = Uint8Array.from(atob(element.textContent), letter => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }
  let library = null;
  async function load() {
    const script = document.createElement("script");
    script.textContent = await unpacked(document.getElementById("library"));
    document.head.append(script);
  }
  async function draw(section) {
    library ??= load();
    await library;
    const drawn = JSON.parse(await unpacked(section.querySelector("script.document")));
    const ids = drawn.roots.map(root => root.id);
    const places = [...section.querySelectorAll(".plot")].map(plot => plot.id);
    const roots = Object.fromEntries(ids.map((id, place) => [id, places[place]]));
    await Bokeh.embed.embed_items({ [section.id]: drawn }, [{ docid: section.id, roots, root_ids: ids }]);
    return Bokeh.documents.at(-1).roots();
  }
  function show(section, plots) {
    const chosen = kind => new Set(
      [...section.querySelectorAll(`input[data-${kind}]:checked`)].map(input => input.dataset[kind]));
    const curves = chosen("curve"), parts = chosen("part").add("mean");
    for (const plot of plots) {
      for (const curve of plot.renderers) curve.visible = curve.tags.every((tag, place) => (place ? parts : curves).has(tag));
    }
  }
  for (const section of document.querySelectorAll("details.curves")) {
    let plots = null;
    const begin = async () => {
      if (!section.open || plots) return;
      plots = [];
      const waiting = section.querySelector(".waiting");
      try {
        plots = await draw(section);
        show(section, plots);
        waiting.hidden = true;
      } catch (error) {
        waiting.textContent = "This browser cannot draw them: the picture below shows the same.";
      }
    };
    section.addEventListener("toggle", begin);
    section.querySelector("fieldset").addEventListener("change", () => show(section, plots));
    begin();
  }
})();
