package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"msctl.dev/msctl/services/kit"
)

// check asks the fleet whether its invariants hold.
type check struct {
	within time.Duration
	asJSON bool
	out    io.Writer
	errs   io.Writer // what it waits for
}

func (c *check) flags(fs *flag.FlagSet) {
	fs.DurationVar(&c.within, "within", 30*time.Second, "how long what is under way may take to come to rest")
	fs.BoolVar(&c.asJSON, "json", false, "print the result as JSON")
}

// It says what it waits for as msctl does: when it has been silent for a while, and then now and again.
const (
	silence = time.Second
	between = 10 * time.Second
)

// invariant is one thing that must hold, and where it does not.
type invariant struct {
	Name   string   `json:"name"`
	Looked int      `json:"looked"` // at how many things
	Broken []string `json:"broken,omitempty"`
}

func (i *invariant) must(ok bool, format string, args ...any) {
	i.Looked++
	if !ok {
		i.Broken = append(i.Broken, fmt.Sprintf(format, args...))
	}
}

func held(is []invariant) bool {
	for _, i := range is {
		if len(i.Broken) > 0 {
			return false
		}
	}
	return true
}

func (c *check) run(ctx context.Context, app *kit.App) error {
	is, err := c.until(ctx, app)
	if err != nil {
		return err
	}
	if c.asJSON {
		err = json.NewEncoder(c.out).Encode(map[string]any{"invariants": is})
	} else {
		printInvariants(c.out, is)
	}
	if err == nil && !held(is) {
		err = errViolated
	}
	return err
}

// until looks at the books of the fleet until all holds, or the time is over.
func (c *check) until(ctx context.Context, app *kit.App) ([]invariant, error) {
	a, err := newAuditor(app)
	if err != nil {
		return nil, err
	}
	defer a.close()
	return c.rest(ctx, a.read)
}

// rest reads again and again until all holds, or the time is over. The fleet is consistent eventually: what
// does not hold now may in a moment.
func (c *check) rest(ctx context.Context, read func(context.Context) (*books, error)) ([]invariant, error) {
	begun, said := time.Now(), silence
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		books, err := read(ctx)
		var is []invariant
		if err == nil {
			if is = books.invariants(); held(is) {
				return is, nil
			}
		}
		if c.within-time.Since(begun) < wait {
			return is, err
		}
		if passed := time.Since(begun); passed >= said {
			said = passed + between
			fmt.Fprintf(c.errs, "waiting for %s, %v of at most %v\n", awaited(is, err), passed.Truncate(time.Second), c.within)
		}
		if perr := kit.Pause(ctx, wait); perr != nil {
			return nil, perr
		}
	}
}

// awaited names what does not hold yet, or why nobody knows.
func awaited(is []invariant, err error) string {
	if err != nil {
		return fmt.Sprintf("the books (%q)", err)
	}
	var names []string
	for _, i := range is {
		if len(i.Broken) > 0 {
			names = append(names, i.Name)
		}
	}
	return "the invariants to hold (" + strings.Join(names, ", ") + ")"
}

func printInvariants(w io.Writer, is []invariant) {
	for _, i := range is {
		verdict := "holds"
		if len(i.Broken) > 0 {
			verdict = fmt.Sprintf("BROKEN in %d", len(i.Broken))
		}
		fmt.Fprintf(w, "%-14s %s  (looked at %d)\n", i.Name, verdict, i.Looked)
		few(w, "  "+i.Name, i.Broken)
	}
}
