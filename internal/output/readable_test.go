package output_test

import (
	"testing"

	"msctl.dev/msctl/internal/output"
)

func TestReadable(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"time":"2026-01-02T03:04:05Z","level":"INFO","msg":"service listening","addr":"127.0.0.1:80"}`,
			"INFO  service listening addr=127.0.0.1:80"},
		{`{"severity":"error","message":"pay","err":"no route","n":3,"who":{"id":1}}`, `ERROR pay err="no route" n=3 who={"id":1}`},
		{`{"msg":"bare"}`, "bare"},
		{`{"empty":"","msg":"m"}`, `m empty=""`},
		{`{"level":"info"}`, ""},
		{`{"msg":"torn`, ""},
		{`plain {"msg":"x"}`, ""},
		{``, ""},
	} {
		got, ok := output.Readable([]byte(tt.in))
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("Readable(%s) = %q, %v, want %q", tt.in, got, ok, tt.want)
		}
	}
}
