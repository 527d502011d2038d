package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fakeBank speaks as the bank does, and fails as the test wants.
type fakeBank struct {
	mu      sync.Mutex // guards all below
	sales   map[string]int64
	refunds map[string]int64
	booked  []string // "SALE o-1 1999"
	asked   []string // every line
	// before is called before a line is done, after when it is. An answer of "" hangs up.
	before, after func(line string) (answer string, stop bool)
}

// start serves the bank as the service legacy does, and returns its URL.
func (b *fakeBank) start(t *testing.T) string {
	b.sales, b.refunds = map[string]int64{}, map[string]int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/bank/txn" {
			http.NotFound(w, r)
			return
		}
		answer := b.transact(string(data))
		if answer == "" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func (b *fakeBank) transact(line string) string {
	b.mu.Lock()
	b.asked = append(b.asked, line)
	before, after := b.before, b.after
	b.mu.Unlock()
	if before != nil {
		if answer, stop := before(line); stop {
			return answer
		}
	}
	answer := b.book(line)
	if after != nil {
		if other, stop := after(line); stop {
			return other
		}
	}
	return answer
}

func (b *fakeBank) book(line string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := map[string]string{}
	for field := range strings.SplitSeq(line, "|") {
		key, value, _ := strings.Cut(field, "=")
		f[key] = value
	}
	ref := f["REF"]
	amount, _ := strconv.ParseInt(f["AMT"], 10, 64) // only a sale has one
	sold, known := b.sales[ref]
	code := "00"
	switch {
	case f["OP"] == "SALE" && !known:
		b.sales[ref], sold = amount, amount
		b.booked = append(b.booked, fmt.Sprintf("SALE %s %d", ref, amount))
	case f["OP"] == "SALE" && sold != amount:
		code = "94"
	case f["OP"] != "SALE" && !known:
		code = "25"
	case f["OP"] == "REFUND" && b.refunds[ref] == 0:
		b.refunds[ref] = sold
		b.booked = append(b.booked, fmt.Sprintf("REFUND %s %d", ref, sold))
	}
	return fmt.Sprintf("RC=%s|REF=%s|TXN=T1|AMT=%012d\r\n", code, ref, sold)
}

// fail sets what happens before and after a line is done.
func (b *fakeBank) fail(before, after func(line string) (string, bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before, b.after = before, after
}

// hangUp answers nothing.
func hangUp(string) (string, bool) { return "", true }

// ledger is what was booked.
func (b *fakeBank) ledger() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.booked...)
}

// calls counts the lines that begin with prefix.
func (b *fakeBank) calls(prefix string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, line := range b.asked {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}
