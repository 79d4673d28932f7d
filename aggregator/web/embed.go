// Package web serves the application of the people's listener: the build of
// aggregator/web/ui, embedded in the binary. A binary built without it says so
// on its page.
package web

import (
	"bytes"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed all:dist
var embedded embed.FS

// policy is the content security policy of every page: nothing from elsewhere,
// no inline script and no inline style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// Built reports whether the application is part of this binary.
func Built() bool { return built(embedded) }

// Handler serves the application for GET and HEAD: files of the build, and
// index.html for every other path, so that a deep link opens its page. It is
// mounted at "/" behind the API; paths below /api and /assets never fall back.
func Handler() http.Handler { return handler(embedded) }

func built(files fs.FS) bool {
	_, err := fs.Stat(files, "dist/index.html")
	return err == nil
}

func handler(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		if !built(files) {
			missing(w, r)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		switch {
		case within(name, "api"):
			http.NotFound(w, r)
		case within(name, "assets"):
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // the names carry a hash of the content
			if !serve(w, r, files, name) {
				w.Header().Del("Cache-Control")
				http.NotFound(w, r)
			}
		case name != "" && name != "index.html" && path.Ext(name) != "":
			w.Header().Set("Cache-Control", "no-cache")
			if !serve(w, r, files, name) {
				serve(w, r, files, "index.html")
			}
		default:
			w.Header().Set("Cache-Control", "no-cache")
			serve(w, r, files, "index.html")
		}
	})
}

func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=(), serial=()")
}

// serve sends one file of the build, compressed where the build has it so; it
// reports false, with nothing written, when there is no such file.
func serve(w http.ResponseWriter, r *http.Request, files fs.FS, name string) bool {
	if strings.HasSuffix(name, ".gz") || !fs.ValidPath(name) {
		return false
	}
	content, err := fs.ReadFile(files, "dist/"+name)
	if err != nil {
		return false
	}
	w.Header().Set("Content-Type", contentType(name))
	if packed, err := fs.ReadFile(files, "dist/"+name+".gz"); err == nil {
		w.Header().Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			w.Header().Set("Content-Encoding", "gzip")
			content = packed
		}
	}
	// No times: embedded files have none, and the names or no-cache decide.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return true
}

// contentType does not ask the system's table, which differs between machines.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// acceptsGzip reads Accept-Encoding; q=0 refuses.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if c := strings.ToLower(strings.TrimSpace(coding)); c != "gzip" && c != "*" {
			continue
		}
		q, found := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || err == nil && weight > 0
	}
	return false
}

const missingPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Linewatch</title>
<h1>This Linewatch was built without its web application</h1>
<p>Recording and the API work. To get the pages: run <code>make build</code> in the source folder (it runs <code>make ui</code>), then start the new binary.</p>
</html>
`

func missing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if p := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/"); within(p, "api") || within(p, "assets") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write([]byte(missingPage)) // the browser went away
	}
}
