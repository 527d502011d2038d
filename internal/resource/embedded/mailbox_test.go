package embedded

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const multipart = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: Ann <ann@example.com>\r\nTo: bob@example.com\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6n\r\n" +
	"--b\r\nContent-Type: text/html\r\n\r\n<b>bold</b>\r\n" +
	"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nxx\r\n--b--\r\n"

func newBox(t *testing.T) *mailbox {
	t.Helper()
	b, err := openMailbox(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func add(t *testing.T, b *mailbox, raw string) {
	t.Helper()
	if _, err := b.add("ann@example.com", []string{"bob@example.com"}, []byte(raw)); err != nil {
		t.Fatal(err)
	}
}

// TestMailboxKeeps reads messages of all sorts, and reads the same after a restart.
func TestMailboxKeeps(t *testing.T) {
	b := newBox(t)
	add(t, b, multipart)
	add(t, b, "Subject: plain\r\n\r\nhello\r\n")
	add(t, b, "no header at all")
	add(t, b, "Content-Type: text/plain; charset=nonsense\r\nSubject: odd\r\n\r\nstill here\r\n")
	add(t, b, "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\ntorn")
	add(t, b, "")
	got := b.list()
	if len(got) != 6 {
		t.Fatalf("%d messages, want 6", len(got))
	}
	m := got[0]
	if m.Subject != "Grüße" || !strings.HasPrefix(m.Text, "Schön") || !strings.Contains(m.Text, `(attachment "a.pdf")`) || !strings.Contains(m.HTML, "<b>bold</b>") {
		t.Errorf("message %+v", m)
	}
	if m.From != "ann@example.com" || m.To[0] != "bob@example.com" || m.Headers["From"][0] != "Ann <ann@example.com>" {
		t.Errorf("message %+v", m)
	}
	if !strings.Contains(got[3].Text, "still here") || got[3].Subject != "odd" {
		t.Errorf("message of an unknown charset %+v", got[3])
	}
	if err := os.WriteFile(filepath.Join(b.dir, "00000009.mail"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := openMailbox(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again.list(), cmp.AllowUnexported(message{})); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}
	if id, err := again.add("a", nil, nil); err != nil || id != 10 {
		t.Errorf("id %d (%v), want 10: no file is overwritten", id, err)
	}
}

// TestMailboxBounds drops the oldest messages, on disk too.
func TestMailboxBounds(t *testing.T) {
	b := newBox(t)
	for range maxMessages + 5 {
		add(t, b, "Subject: x\r\n\r\n")
	}
	files, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if got := b.list(); err != nil || len(got) != maxMessages || got[0].ID != 6 || len(files) != maxMessages {
		t.Errorf("%d messages from %d, %d files, %v", len(got), got[0].ID, len(files), err)
	}
}

// TestMailboxNesting takes a mail made of a hundred thousand mails, each inside the one before.
func TestMailboxNesting(t *testing.T) {
	var raw strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&raw, "Content-Type: Multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b := newBox(t)
	add(t, b, raw.String())
	if got := b.list(); got[0].Text != raw.String() {
		t.Errorf("%d bytes are shown, want all %d", len(got[0].Text), raw.Len())
	}
}

// ask calls the page as a program on this machine does.
func ask(t *testing.T, h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:8025"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestMailboxJSON(t *testing.T) {
	b := newBox(t)
	h := pages(b, "127.0.0.1:8025")
	if got := strings.TrimSpace(ask(t, h, "GET", "/messages").Body.String()); got != "[]" {
		t.Errorf("an empty mailbox is %s, want []", got)
	}
	add(t, b, "Subject: hi\r\nX-Trace: 1\r\n\r\nhello\r\n")
	var got []map[string]any
	if err := json.Unmarshal(ask(t, h, "GET", "/messages").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got[0]["date"] == "" || got[0]["date"] == nil {
		t.Error("no date")
	}
	delete(got[0], "date")
	want := []map[string]any{{"id": 1.0, "from": "ann@example.com", "to": []any{"bob@example.com"}, "subject": "hi", "text": "hello\r\n",
		"headers": map[string]any{"Subject": []any{"hi"}, "X-Trace": []any{"1"}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := ask(t, h, "GET", "/messages/1/raw").Body.String(); got != "Subject: hi\r\nX-Trace: 1\r\n\r\nhello\r\n" {
		t.Errorf("raw %q", got)
	}
	for path, want := range map[string]int{"/messages/2/raw": 404, "/messages/x/raw": 404, "/messages/..%2f..%2fx/raw": 404, "/other": 404} {
		if got := ask(t, h, "GET", path).Code; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if got := ask(t, h, "DELETE", "/messages").Code; got != http.StatusNoContent || len(b.list()) != 0 {
		t.Errorf("delete: %d, %d left", got, len(b.list()))
	}
	if files, err := filepath.Glob(filepath.Join(b.dir, "*")); err != nil || len(files) > 0 {
		t.Errorf("files left: %v, %v", files, err)
	}
}

// TestMailboxInert shows hostile mail without giving it a way to act (J8).
func TestMailboxInert(t *testing.T) {
	b := newBox(t)
	evil := `<script>alert(1)</script><img src=x onerror=alert(1)>"'` + "`"
	_, err := b.add(evil, []string{evil}, fmt.Appendf(nil, "Subject: %s\r\nX-Evil: %s\r\nContent-Type: text/html\r\n\r\n%s", evil, evil, evil))
	if err != nil {
		t.Fatal(err)
	}
	h := pages(b, "127.0.0.1:8025")
	for _, path := range []string{"/", "/messages", "/messages/1/raw", "/mailbox.js", "/mailbox.css"} {
		w := ask(t, h, "GET", path)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
		if kind := w.Header().Get("Content-Type"); strings.Contains(kind, "html") && strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%s: mail is part of the page", path)
		}
	}
}

// TestMailboxForeign refuses pages of the web: by their host (J4), and by their origin where something
// would change (J5).
func TestMailboxForeign(t *testing.T) {
	b := newBox(t)
	add(t, b, "Subject: x\r\n\r\n")
	h := pages(b, "127.0.0.1:8025")
	for _, host := range []string{"evil.example:8025", "localhost.evil:8025", "127.0.0.1.nip.io:8025", "127.0.0.1:80", "localhost.:8025", "", "127.0.0.1"} {
		for _, path := range []string{"/", "/messages", "/messages/1/raw", "/none"} {
			if got := ask(t, h, "GET", path, "Host", host).Code; got != http.StatusMisdirectedRequest {
				t.Errorf("%s with host %q: %d", path, host, got)
			}
		}
	}
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		if got := ask(t, h, "DELETE", "/messages", header...).Code; got != http.StatusForbidden {
			t.Errorf("delete with %v: %d", header, got)
		}
	}
	if len(b.list()) != 1 {
		t.Error("the mail is gone")
	}
}

// FuzzMessage never panics and always shows something of a mail with text.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(multipart))
	f.Add([]byte("Content-Type: multipart/mixed\r\n\r\n--\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m message
		m.parse(raw)
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
	})
}
