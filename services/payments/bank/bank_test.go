package bank

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go/budget"
)

var sample = Sale{Order: "o-1", Amount: 1999, Currency: "EUR", Card: "tok_ok"}

// wire is a transport that answers in the test.
type wire func(r *http.Request, line string) (int, string, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	line, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	code, text, err := w(r, string(line))
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// says is a bank that always gives the same answer.
func says(code int, text string) *Client {
	return newClient("http://bank/txn", wire(func(*http.Request, string) (int, string, error) { return code, text, nil }),
		Patience{Backoff: time.Nanosecond})
}

// TestAnswers translates every answer of the bank, and takes nothing else for one.
func TestAnswers(t *testing.T) {
	sell := func(c *Client) (Fact, error) { return c.Sell(t.Context(), sample) }
	inquire := func(c *Client) (Fact, error) { return c.Inquire(t.Context(), sample) }
	cancel := func(c *Client) (Fact, error) { return c.Cancel(t.Context(), sample) }
	refund := func(c *Client) (Fact, error) { return c.Refund(t.Context(), sample) }
	for _, c := range []struct {
		name string
		ask  func(*Client) (Fact, error)
		code int
		text string
		want string // of the fact; "" is an error
	}{
		{"taken", sell, 200, "RC=00|REF=o-1|TXN=T000000001|AMT=000000001999\r\n", "taken"},
		{"other order of fields", sell, 200, "AMT=000000001999|TXN=|REF=o-1|RC=00", "taken"},
		{"a field more", sell, 200, "RC=00|REF=o-1|AMT=000000001999|NOTE=hi", "taken"},
		{"no funds", sell, 200, "RC=51|REF=o-1|TXN=T1|AMT=000000001999", "refused insufficient funds"},
		{"no card", inquire, 200, "RC=14|REF=o-1|TXN=T1|AMT=000000001999", "refused unknown card"},
		{"unheard of", inquire, 200, "RC=25|REF=o-1|TXN=|AMT=000000000000", "unknown"},
		{"cancelled before", inquire, 200, "RC=00|REF=o-1|TXN=T1|AMT=000000000000", "void"},
		{"cancelled", cancel, 200, "RC=00|REF=o-1|TXN=T1|AMT=000000000000", "void"},
		{"returned", refund, 200, "RC=00|REF=o-1|TXN=T2|AMT=000000001999", "returned"},
		{"nothing to return", refund, 200, "RC=25|REF=o-1|TXN=|AMT=000000000000", "unknown"},
		{"another amount", sell, 200, "RC=00|REF=o-1|TXN=T1|AMT=000000000001", ""},
		{"another amount returned", refund, 200, "RC=00|REF=o-1|TXN=T1|AMT=000000000001", ""},
		{"reused", sell, 200, "RC=94|REF=o-1|TXN=T1|AMT=000000000001", ""},
		{"later", sell, 200, "RC=91|REF=o-1|TXN=|AMT=000000001999", ""},
		{"unreadable", sell, 200, "RC=30|REF=|TXN=|AMT=000000000000", ""},
		{"new code", sell, 200, "RC=96|REF=o-1|TXN=|AMT=000000001999", ""},
		{"another order", sell, 200, "RC=00|REF=o-2|TXN=T1|AMT=000000001999", ""},
		{"no order", sell, 200, "RC=00|TXN=T1|AMT=000000001999", ""},
		{"code of three", sell, 200, "RC=000|REF=o-1|AMT=000000001999", ""},
		{"code twice", sell, 200, "RC=51|RC=00|REF=o-1|AMT=000000001999", ""},
		{"short amount", sell, 200, "RC=00|REF=o-1|AMT=1999", ""},
		{"signed amount", sell, 200, "RC=00|REF=o-1|AMT=-00000001999", ""},
		{"no amount", sell, 200, "RC=00|REF=o-1", ""},
		{"cut short", sell, 200, "RC=00|REF=o-1|TXN=T000000001|AMT=0000000", ""},
		{"a page", sell, 200, "<html><body>Wartungsarbeiten = heute</body></html>", ""},
		{"nothing", sell, 200, "", ""},
		{"zeros", sell, 200, strings.Repeat("\x00", 100), ""},
		{"endless", sell, 200, "RC=00|REF=o-1|TXN=" + strings.Repeat("1", 1<<20) + "|AMT=000000001999", ""},
		{"a proxy's error", sell, 502, "RC=00|REF=o-1|TXN=T1|AMT=000000001999", ""},
		{"moved", sell, 302, "", ""},
	} {
		f, err := c.ask(says(c.code, c.text))
		got := strings.TrimSpace(f.Outcome.String() + " " + f.Reason)
		if err != nil {
			got = ""
		}
		if got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// TestLines writes what the bank reads.
func TestLines(t *testing.T) {
	var got []string
	c := newClient("http://bank/txn", wire(func(_ *http.Request, line string) (int, string, error) {
		got = append(got, line)
		return 200, "RC=94|REF=o-1|TXN=T1|AMT=000000000000", nil
	}), Patience{})
	for _, ask := range []func(context.Context, Sale) (Fact, error){c.Sell, c.Cancel, c.Refund} {
		_, _ = ask(t.Context(), sample) // 94 answers none of them
	}
	want := []string{"OP=SALE|REF=o-1|AMT=000000001999|CCY=978|PAN=tok_ok", "OP=INQ|REF=o-1",
		"OP=SALE|REF=o-1|AMT=000000000000|CCY=978|PAN=tok_ok", "OP=INQ|REF=o-1", "OP=REFUND|REF=o-1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{"RC=00|REF=o-1|TXN=T1|AMT=000000001999\r\n", "RC=25|REF=o-1|TXN=|AMT=000000000000", "||", "=", "RC=00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := read("o-1", text)
		if err == nil && (r.amount < 0 || r.amount > maxAmount || !strings.Contains(text, "REF=o-1") || !strings.Contains(text, "RC="+r.code)) {
			t.Errorf("%q is %+v", text, r)
		}
	})
}

// TestEachTryHasItsTime gives up on a bank that never answers: each try after its time, all of them
// after theirs, and the second not at the same moment for all.
func TestEachTryHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seconds := map[time.Duration]bool{}
		for range 20 {
			began, tries := time.Now(), []time.Duration{}
			c := newClient("http://bank/txn", wire(func(r *http.Request, _ string) (int, string, error) {
				tries = append(tries, time.Since(began))
				<-r.Context().Done()
				return 0, "", r.Context().Err()
			}), Patience{Try: 500 * time.Millisecond, Call: 1400 * time.Millisecond})
			if _, err := c.Sell(t.Context(), sample); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took != 1400*time.Millisecond || len(tries) != 3 {
				t.Errorf("gave up after %v and tries at %v", took, tries)
			}
			seconds[tries[1]] = true
		}
		if len(seconds) < 10 {
			t.Errorf("20 second tries came at %v: no jitter", seconds)
		}
	})
}

// TestRetriesHaveABudget has 50 sales fail at once: few of them are tried again.
func TestRetriesHaveABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards calls and refused
		calls, refused := 0, 0
		c := newClient("http://bank/txn", wire(func(*http.Request, string) (int, string, error) {
			mu.Lock()
			calls++
			mu.Unlock()
			time.Sleep(300 * time.Millisecond)
			return 200, "RC=91|REF=o-1|TXN=|AMT=000000001999", nil
		}), Patience{Call: time.Hour})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := c.Sell(t.Context(), sample)
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, budget.ErrExceeded) {
					refused++
				}
			})
		}
		wg.Wait()
		if calls < 53 || calls > 90 || refused == 0 {
			t.Errorf("50 sales were %d calls, %d had no budget; want 150 only without one", calls, refused)
		}
	})
}

// TestLaterIsTriedAgain sells where the bank asks to try later, twice.
func TestLaterIsTriedAgain(t *testing.T) {
	calls := 0
	c := newClient("http://bank/txn", wire(func(*http.Request, string) (int, string, error) {
		if calls++; calls < 3 {
			return 200, "RC=91|REF=o-1|TXN=|AMT=000000001999", nil
		}
		return 200, "RC=00|REF=o-1|TXN=T1|AMT=000000001999", nil
	}), Patience{Backoff: time.Nanosecond})
	if f, err := c.Sell(t.Context(), sample); err != nil || f.Outcome != Taken || calls != 3 {
		t.Errorf("got %v, %v after %d calls", f, err, calls)
	}
}

func TestCheck(t *testing.T) {
	if err := sample.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Sale){
		"order":    func(s *Sale) { s.Order = "o|1" },
		"long":     func(s *Sale) { s.Order = strings.Repeat("o", 65) },
		"free":     func(s *Sale) { s.Amount = 0 },
		"dear":     func(s *Sale) { s.Amount = 1e12 },
		"currency": func(s *Sale) { s.Currency = "USD" },
		"card":     func(s *Sale) { s.Card = "" },
	} {
		s := sample
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: %+v is taken", name, s)
		}
	}
}
