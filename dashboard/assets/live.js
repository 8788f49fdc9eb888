// Keeps the parts of a page current that say `data-live="<seconds>"`, by asking for the page again with `live=yes`: it may
// leave out what is not kept current. Without it, people reload.
const parts = () => [...document.querySelectorAll("[data-live][id]")];
const busy = (part) => part.contains(document.activeElement) || part.querySelector("details.change[open]");

async function renew() {
  const address = new URL(location.href);
  address.searchParams.set("live", "yes");
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of parts()) {
    const next = fresh.getElementById(part.id);
    if (!next || busy(part) || next.innerHTML === part.innerHTML) continue;
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    const log = part.querySelector("pre");
    const atEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    part.replaceChildren(...next.childNodes);
    part.dataset.live = next.dataset.live ?? "";
    part.querySelectorAll("details").forEach((one, n) => (one.open = open[n] ?? one.open));
    const renewed = part.querySelector("pre");
    if (renewed && atEnd) renewed.scrollTop = renewed.scrollHeight;
  }
}

function wait() {
  const seconds = Math.min(...parts().map((part) => Number(part.dataset.live)).filter((n) => n > 0));
  if (!Number.isFinite(seconds)) return; // what has ended does not change any more
  setTimeout(async () => {
    if (!document.hidden) await renew().catch(() => {});
    wait();
  }, seconds * 1000);
}

document.querySelectorAll("[data-live] pre").forEach((log) => (log.scrollTop = log.scrollHeight));
wait();
