package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"msctl.dev/msctl/internal/resource"
)

// ask asks at a terminal for what no flag says; --yes and --dry-run ask nothing.
func (n *newService) ask(ctx context.Context) error {
	in, file := n.app.In.(*os.File)
	if n.o.yes || n.o.dryRun || !file || !term.IsTerminal(int(in.Fd())) || !n.app.screenOf(n.app.Err).terminal {
		return nil
	}
	q := &questions{in: bufio.NewReader(in), out: n.app.Err, width: n.app.screenOf(n.app.Err).width}
	if n.values.Service == "" {
		q.until(ctx, "Name of the service", "", "", func(s string) error { n.values.Service = s; return n.freeName(s) })
	} else if err := n.freeName(n.values.Service); err != nil {
		return err
	}
	if n.o.template == "" {
		q.list("Templates", slices.DeleteFunc(templateLines(), func(line string) bool { return strings.HasPrefix(line, stackTemplate+" ") }))
		q.until(ctx, "Template", "", defaultTemplate, func(s string) error { return n.choose(ctx, s) })
	} else if err := n.choose(ctx, n.o.template); err != nil {
		return err
	}
	if n.template == nil {
		return q.err
	}
	if len(n.o.calls) == 0 && len(n.stack.Services) > 0 {
		q.until(ctx, "Services that it calls", someOf(namesOf(n.stack.Services)), "none",
			func(s string) (err error) { n.o.calls = words(s); _, err = n.calls(); return err })
	}
	if len(n.o.uses) == 0 {
		q.until(ctx, "Resources that it uses", n.usable(), "none",
			func(s string) (err error) { n.o.uses = words(s); return n.checkUses() })
	}
	n.askRoute(ctx, q)
	if n.tells() {
		n.askEvents(ctx, q)
	}
	for _, p := range n.template.Params {
		if _, said := n.o.params[p.Name]; !said {
			q.until(ctx, strings.ToUpper(p.Doc[:min(1, len(p.Doc))])+p.Doc[min(1, len(p.Doc)):], "", p.Default, func(s string) error {
				if n.o.params == nil {
					n.o.params = map[string]string{}
				}
				n.o.params[p.Name] = s
				return p.Accepts(s)
			})
		}
	}
	return q.err
}

// askEvents asks what the service tells others, and what it is told.
func (n *newService) askEvents(ctx context.Context, q *questions) {
	if len(n.o.consumes) == 0 {
		other := orElse(n.template.Events.Consumes, "none")
		known := ""
		if keys := published(n.stack); len(keys) > 0 {
			known = someOf(keys)
		}
		q.until(ctx, "Events that it consumes", known, other, func(s string) error { n.o.consumes = words(s); return n.events() })
	}
	if len(n.o.publishes) == 0 {
		q.until(ctx, "Events that it publishes", "such as "+n.values.Service+".changed", "none",
			func(s string) error { n.o.publishes = words(s); return n.events() })
	}
}

// usable lists the stack's resources, and the kinds of new ones.
func (n *newService) usable() string {
	kinds := slices.DeleteFunc(kindNames(), func(kind string) bool { return kind == resource.Container.Name })
	if len(n.stack.Resources) == 0 {
		return "new: " + list(kinds)
	}
	var names []string
	for _, r := range n.stack.Resources {
		names = append(names, r.Name)
	}
	return someOf(names) + "; new: " + list(kinds)
}

// checkUses reads each word of --uses alone.
func (n *newService) checkUses() error {
	for _, w := range n.o.uses {
		if _, err := n.use(w); err != nil {
			return err
		}
	}
	return nil
}

// words takes a list of names apart, by commas or blanks; none is none.
func words(s string) []string {
	if s == "none" {
		return nil
	}
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// questions asks one after the other. After an error it asks nothing more.
type questions struct {
	in    *bufio.Reader
	out   io.Writer
	width int // of the terminal
	err   error
}

// list shows what there is to choose from, one on each line.
func (q *questions) list(title string, lines []string) {
	if q.err != nil {
		return
	}
	fmt.Fprintf(q.out, "%s:\n", title)
	const column = 18 // where what a name stands for begins
	for _, line := range lines {
		name, doc, _ := strings.Cut(line, "  ")
		folded := fold(doc, q.width, strings.Repeat(" ", column))
		fmt.Fprintln(q.out, pad("  "+name, column)+strings.TrimLeft(folded, " "))
	}
}

// answerRoom is how much of a line is kept for the answer.
const answerRoom = 20

// until asks until take accepts the answer; an empty one is other. What there is to choose from stands behind
// the question, or above it where that would be too long for a line.
func (q *questions) until(ctx context.Context, question, choices, other string, take func(string) error) {
	if q.err != nil {
		return
	}
	prompt := func(choices string) string {
		if choices != "" {
			choices = " (" + choices + ")"
		}
		if other == "" {
			return question + choices + ": "
		}
		return question + choices + " [" + other + "]: "
	}
	ask := prompt(choices)
	if utf8.RuneCountInString(ask) > q.width-answerRoom {
		ask = prompt("")
		fmt.Fprintln(q.out, fold("There is "+choices, q.width, "  "))
	}
	for q.err == nil {
		fmt.Fprint(q.out, ask)
		line, err := q.line(ctx)
		if err != nil {
			q.err = err
			return
		}
		err = take(orElse(strings.TrimSpace(line), other))
		if err == nil {
			return
		}
		fmt.Fprintln(q.out, fold(clean(err.Error()), q.width, "  "))
		var coded *codedError
		if errors.As(err, &coded) && coded.hint != "" {
			fmt.Fprintln(q.out, fold(clean("hint: "+coded.hint), q.width, "  "))
		}
	}
}

// line reads one line. Neither Ctrl-C, which ends ctx, nor Ctrl-D is an answer: both end the command alike.
func (q *questions) line(ctx context.Context) (string, error) {
	type read struct {
		text string
		err  error
	}
	came := make(chan read, 1)
	go func() { // ends with the process at the latest: a terminal cannot be told to stop being read
		text, err := q.in.ReadString('\n')
		came <- read{text, err}
	}()
	select {
	case r := <-came:
		switch {
		case errors.Is(r.err, io.EOF):
			fmt.Fprint(q.out, unanswered)
			return "", &signalled{os.Interrupt}
		case r.err != nil:
			fmt.Fprintln(q.out)
			return "", failed("--yes asks nothing", "read answer: %w", r.err)
		}
		return r.text, nil
	case <-ctx.Done():
		fmt.Fprint(q.out, unanswered)
		return "", context.Cause(ctx)
	}
}

// unanswered is what the end of a command at a question says.
const unanswered = "\nended without an answer; nothing was written\n"
