package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// hidden lists what must not be shown of a place: the secrets that can be known without its fleet. st is
// nil where stack.yaml cannot be read. MSCTL_SECRET_… counts whether or not the stack refers to it.
func (a *App) hidden(p place, st *stack.Stack) ([]string, error) {
	var values []string
	for _, e := range a.Environ {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, stack.SecretPrefix) {
			values = append(values, value)
		}
	}
	var resources []string
	if st != nil {
		for _, r := range st.Resources {
			resources = append(resources, r.Name)
		}
	}
	kept, err := resource.KeptPasswords(filepath.Join(p.state(), "data"), resources)
	values = append(values, kept...)
	secrets, serr := stack.LoadSecrets(p.dir, a.Getenv)
	if serr == nil {
		values = append(values, secrets.Values(st)...)
	}
	return values, errors.Join(err, serr)
}

// veil masks what a command prints of the stack in its folder: as much as can be known, and nothing where
// there is no stack.
func (a *App) veil() *stack.Redactor {
	p, err := a.place()
	if err != nil {
		return stack.NewRedactor()
	}
	st, err := a.load("")
	if err != nil {
		st = nil
	}
	values, _ := a.hidden(p, st) // what is wrong with the secrets is another command's to say
	return stack.NewRedactor(values...)
}

// logVeil masks what units print. The running fleet knows best: secrets may have come from the environment
// of the `up` that started it. Secrets that cannot be read are an error: nobody could mask them.
func (a *App) logVeil(ctx context.Context, p place) (*stack.Redactor, error) {
	st, err := a.load("")
	if err != nil {
		st = nil
	}
	values, err := a.hidden(p, st)
	if err != nil {
		return nil, failed("or `msctl logs --raw`, which shows secrets", "mask the output: %w", err)
	}
	c, err := control.Dial(ctx, p.socket())
	if err != nil {
		return stack.NewRedactor(values...), nil
	}
	defer c.Close()
	return stack.NewRedactor(append(values, hiddenBy(ctx, c)...)...), nil
}

// hiddenBy returns what the running fleet hides, which comes with the environment of any of its services.
func hiddenBy(ctx context.Context, c *control.Client) []string {
	snap, err := c.Snapshot(ctx)
	if err != nil {
		return nil
	}
	for _, u := range snap.Units {
		if !talks(u) {
			continue
		}
		if env, err := c.Environment(ctx, u.Name); err == nil {
			return env.Hidden
		}
	}
	return nil
}

// maskedWriter masks each write, which is whole lines.
type maskedWriter struct {
	w    io.Writer
	mask func(string) string
}

func (m *maskedWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(m.w, m.mask(string(b))); err != nil {
		return 0, fmt.Errorf("write log: %w", err)
	}
	return len(b), nil
}
