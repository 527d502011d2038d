// Reloads the page when mail came or went, unless a message is being read.
const count = document.getElementById("count");

async function newest() {
  const messages = await (await fetch("/messages")).json();
  return messages.length ? messages[messages.length - 1].id : 0;
}

setInterval(async () => {
  if (document.hidden || document.querySelector("details[open]")) return;
  try {
    if (String(await newest()) !== count.dataset.newest) location.reload();
  } catch { /* the server restarts */ }
}, 2000);

document.getElementById("clear").addEventListener("click", async () => {
  await fetch("/messages", { method: "DELETE" });
  location.reload();
});
