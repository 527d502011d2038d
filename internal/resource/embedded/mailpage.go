package embedded

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"slices"
	"strconv"
)

var (
	//go:embed mailbox.html
	pageText string
	//go:embed mailbox.js
	pageScript string
	//go:embed mailbox.css
	pageStyle string

	page = template.Must(template.New("mailbox").Parse(pageText))
)

// pages serves the mailbox to browsers and programs on this machine. addr is where it listens: a request
// that names another host is refused, so that no page of the web can read the mail.
func pages(box *mailbox, addr string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		messages := box.list()
		slices.Reverse(messages)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page.Execute(w, messages)
	})
	mux.HandleFunc("GET /mailbox.js", text("text/javascript; charset=utf-8", pageScript))
	mux.HandleFunc("GET /mailbox.css", text("text/css; charset=utf-8", pageStyle))
	mux.HandleFunc("GET /messages", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(box.list())
	})
	mux.HandleFunc("GET /messages/{id}/raw", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		raw, err := box.raw(id)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write(raw)
	})
	mux.HandleFunc("DELETE /messages", func(w http.ResponseWriter, r *http.Request) {
		if err := box.clear(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return guard(addr, http.NewCrossOriginProtection().Handler(mux))
}

func text(kind, content string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Write([]byte(content))
	}
}

// guard refuses foreign hosts and makes what mails contain inert.
func guard(addr string, next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(addr)
	hosts := []string{"127.0.0.1:" + port, "localhost:" + port, "[::1]:" + port}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(hosts, r.Host) {
			http.Error(w, "not this host", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
