package ledger

import "testing"

// TestHostileStack refuses stack files on which the parser of YAML panics: one of another commit was never loaded here.
func TestHostileStack(t *testing.T) {
	for _, body := range []string{"{{},<<}", "services: {{},<<}", "? - a\n: b\n<<: {services: {}}\n"} {
		if got, err := entryOf([]byte(body), "a"); err == nil {
			t.Errorf("%q: got %s", body, got)
		}
	}
}
