package tui

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestTracesRequests lists requests until all is asked for, says so, and leaves the user's own filter alone.
func TestTracesRequests(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	lists := func(want bool, text string) {
		t.Helper()
		if got := s.screen(); strings.Contains(got, text) != want {
			t.Errorf("%q is on the screen: %v, want %v\n%s", text, !want, want, got)
		}
	}
	s.press("3")
	lists(true, "requests only")
	lists(false, "FETCH")
	s.press("a")
	lists(true, "FETCH")
	lists(false, "requests only")
	s.press("a", "/", "text:name:fetch", "enter")
	lists(true, "/name:fetch · requests only")
	lists(false, "FETCH")
	s.press("/", "text: trace.kind=background", "enter")
	lists(false, "requests only")
	lists(true, "FETCH")
	s.press("/", "esc", "a")
	lists(true, "FETCH")
	s.press("a")
	s.press("esc", "e")
	lists(true, "errors only · requests only")
	lists(false, "GET /orders")
	s.press("e")
	lists(true, "GET /orders")
	s.press("1", "t")
	lists(true, "/service=gateway · requests only")
	s.f.traces = nil
	s.press("3", "a", "a")
	lists(true, "no request yet")
	lists(true, "http://127.0.0.1:8080")
}

// TestGuessed marks what msctl only guessed, and says what the mark means where there is one.
func TestGuessed(t *testing.T) {
	f := shop()
	s := newStage(t, f, 100, 24)
	s.press("3", "enter")
	if got := s.screen(); strings.Contains(got, "~") {
		t.Errorf("nothing is guessed:\n%s", got)
	}
	s.press("esc")
	f.traces[0].Rows[3].Guessed = true
	s.press("enter")
	s.shows("~ → orders-db INSERT orders", "~ guessed: nobody said")
	s.press("j", "j", "j", "enter")
	s.shows("guessed: nobody said what it was for")
}

// TestFindings lists what stands out, and opens the traces that show it.
func TestFindings(t *testing.T) {
	s := newStage(t, shop(), 100, 24)
	s.press("3", "A")
	s.shows("› advise", "n+1", "→ Ask once for all rows", "Enter shows 1 of them")
	s.press("enter")
	s.shows("advise › trace 4bf92f35", "SELECT lines")
	s.press("esc", "j", "enter")
	s.shows("advise › traces of no-timeout gateway:orders", "POST /v1/orders")
	s.press("esc", "j", "enter")
	s.shows("no trace shows it")
	s.press("esc")
	s.shows("3 traces", "GET /orders")
	s.press("A")
	s.f.found = nil
	s.press("R")
	s.shows("nothing to say about the traffic of the last 15 minutes")
	s.f.err = errors.New("telemetry is off")
	s.press("1", ":", "text:advise", "enter")
	s.shows("cannot be looked at: telemetry is off")
}

// TestTracesOfAnotherDay shows the day of what did not begin today.
func TestTracesOfAnotherDay(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {200, 50}} {
		s := newStage(t, shop(), size[0], size[1])
		s.press("3")
		s.shows("12:00:0")
		if strings.Contains(s.screen(), "Mar 01") {
			t.Error("the day of what began today is shown")
		}
		s.m.now = func() time.Time { return noon.AddDate(0, 0, 1) }
		s.press("j")
		s.shows("Mar 01 12:00 ")
		s.press("5")
		s.shows("Mar 01 12:00 ")
	}
}
