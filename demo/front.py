"""The demo's front page: what a citizen sees on each carrier, side by side, as it is now."""
import html
import http.server
import threading

PAGE = """\
<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>一次发布，处处可见（演示）</title>
<style>
:root {{ color-scheme: light; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 1.25rem clamp(1rem, 3vw, 2.5rem) 2.5rem; background: #eef1f5; color: #1c2733;
       font: 16px/1.6 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", sans-serif; }}
header {{ margin-bottom: 1.25rem; }}
h1 {{ margin: 0; font-size: clamp(1.3rem, 2.5vw, 1.9rem); line-height: 1.3; }}
header p {{ margin: .35rem 0 0; color: #55616e; max-width: 60em; }}
main {{ display: grid; gap: 1.25rem; grid-auto-flow: dense; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }}
section {{ background: #fff; border-radius: .75rem; box-shadow: 0 1px 3px #0f1e2e2e; overflow: hidden; display: flex; flex-direction: column; }}
section.wide {{ grid-column: span 2; }}
h2 {{ margin: 0; padding: .7rem 1rem; font-size: 1.05rem; display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid #dfe4ea; }}
h2 a {{ font-weight: 400; font-size: .9rem; color: #0b5cad; white-space: nowrap; }}
.glass {{ position: relative; height: 36rem; overflow: hidden; background: #f7f8fa; }}
.glass iframe {{ position: absolute; left: 0; top: 0; border: 0; transform-origin: 0 0; }}
@media (max-width: 50rem) {{ section.wide {{ grid-column: auto; }} }}
</style>
</head>
<body>
<header>
<h1>一次发布，处处可见</h1>
<p>业务系统发出一次，各渠道各自展示。下面是市民此刻在每个渠道看到的样子，撤回的已划去或撤下。微信、微博、短信、条屏都是本机上的模拟账号，规矩照真的来。管理员看的是<a href="{console}" target="_blank" rel="noopener">发布台</a>：什么没有到位，每份文件怎样走到各个渠道。</p>
</header>
<main>
{sections}
</main>
<script>
// Each carrier's page is laid out at its own width and shrunk into the room there is.
function fit() {{
  for (const glass of document.querySelectorAll(".glass")) {{
    const frame = glass.firstElementChild, wide = glass.clientWidth < 600 ? Math.min(420, glass.dataset.width) : Number(glass.dataset.width);
    const scale = Math.min(1, glass.clientWidth / wide);
    frame.style.width = Math.max(wide, glass.clientWidth / scale) + "px";
    frame.style.height = glass.clientHeight / scale + "px";
    frame.style.transform = `scale(${{scale}})`;
  }}
}}
addEventListener("resize", fit);
fit();
</script>
</body>
</html>
"""

SECTION = """\
<section{classes}>
<h2>{name} <a href="{address}" target="_blank" rel="noopener">单独打开</a></h2>
<div class="glass" data-width="{width}"><iframe src="{address}" title="{name}" loading="eager"></iframe></div>
</section>"""

WIDTHS = {"page": 1100, "screen": 1280, "phone": 400, "board": 1120}


def page(carriers, console):
    """carriers: (name, address, kind) each; console: the operator's page."""
    return PAGE.format(console=html.escape(console), sections="\n".join(
        SECTION.format(name=html.escape(name), address=html.escape(address), width=WIDTHS[kind],
                       classes=' class="wide"' if kind in ("page", "screen", "board") else "")
        for name, address, kind in carriers))


def serve(carriers, console):
    """A server of this one page on a free port."""
    text = page(carriers, console).encode()

    class One(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.path == "/":
                self.wfile.write(text)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), One)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
