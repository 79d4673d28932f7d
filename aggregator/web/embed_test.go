package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func pack(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func build(t *testing.T) http.Handler {
	t.Helper()
	return handler(fstest.MapFS{
		"dist/index.html":       {Data: []byte("<!doctype html>page")},
		"dist/README.txt":       {Data: []byte("read me")},
		"dist/assets/a-1.js":    {Data: []byte("let a = 1")},
		"dist/assets/a-1.js.gz": {Data: pack(t, "let a = 1")},
		"dist/assets/f.woff2":   {Data: []byte("font")},
	})
}

func get(t *testing.T, h http.Handler, method, path string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

func TestDeepLinksOpenThePageUncached(t *testing.T) {
	for _, path := range []string{"/", "/index.html", "/events?q=severity>=high&ev=1", "/signin", "/nothing.here"} {
		r := get(t, build(t), http.MethodGet, path)
		require.Equal(t, http.StatusOK, r.StatusCode, path)
		require.Equal(t, "<!doctype html>page", body(t, r), path)
		require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
		require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
	}
}

func TestAssetsAreCachedForEverAndCompressedOnRequest(t *testing.T) {
	r := get(t, build(t), http.MethodGet, "/assets/a-1.js")
	require.Equal(t, "let a = 1", body(t, r))
	require.Equal(t, "text/javascript; charset=utf-8", r.Header.Get("Content-Type"))
	require.Equal(t, "public, max-age=31536000, immutable", r.Header.Get("Cache-Control"))
	require.Equal(t, "Accept-Encoding", r.Header.Get("Vary"))
	require.Empty(t, r.Header.Get("Content-Encoding"))

	r = get(t, build(t), http.MethodGet, "/assets/a-1.js", "Accept-Encoding", "br, gzip;q=0.8")
	require.Equal(t, "gzip", r.Header.Get("Content-Encoding"))
	z, err := gzip.NewReader(r.Body)
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, "let a = 1", string(plain))

	r = get(t, build(t), http.MethodGet, "/assets/a-1.js", "Accept-Encoding", "gzip;q=0")
	require.Empty(t, r.Header.Get("Content-Encoding"))
}

func TestAnUnknownAssetOrAPIPathIsNotThePage(t *testing.T) {
	for _, path := range []string{"/assets/gone.js", "/assets/a-1.js.gz", "/assets", "/api/v1/nothing", "/api", "/assets/../api/x"} {
		r := get(t, build(t), http.MethodGet, path)
		require.Equal(t, http.StatusNotFound, r.StatusCode, path)
		require.NotEqual(t, "public, max-age=31536000, immutable", r.Header.Get("Cache-Control"), path)
	}
}

func TestEveryAnswerForbidsInlineScriptAndStyle(t *testing.T) {
	for _, path := range []string{"/", "/assets/a-1.js", "/assets/gone.js", "/api"} {
		r := get(t, build(t), http.MethodGet, path)
		csp := r.Header.Get("Content-Security-Policy")
		require.Contains(t, csp, "script-src 'self';")
		require.Contains(t, csp, "style-src 'self';")
		require.NotContains(t, csp, "unsafe")
		require.Contains(t, csp, "frame-ancestors 'none'")
		require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	r := get(t, build(t), http.MethodPost, "/")
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
	r = get(t, build(t), http.MethodHead, "/assets/a-1.js")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Empty(t, body(t, r))
}

func TestABinaryWithoutTheApplicationSaysSo(t *testing.T) {
	files := fstest.MapFS{"dist/README.txt": {Data: []byte("read me")}}
	require.False(t, built(files))
	r := get(t, handler(files), http.MethodGet, "/events")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Contains(t, body(t, r), "built without its web application")
	require.Contains(t, r.Header.Get("Content-Security-Policy"), "default-src 'none'")
	r = get(t, handler(files), http.MethodGet, "/api/v1/me")
	require.Equal(t, http.StatusNotFound, r.StatusCode)
}

func TestTheEmbeddedFolderIsNeverEmpty(t *testing.T) {
	_, err := embedded.ReadFile("dist/README.txt")
	require.NoError(t, err)
	require.Equal(t, built(embedded), Built())
	require.Equal(t, http.StatusOK, get(t, Handler(), http.MethodGet, "/").StatusCode)
}
