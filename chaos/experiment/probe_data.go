package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"msctl.dev/msctl/internal/database"
)

// sqlProbe is what a query finds.
type sqlProbe struct {
	resource, schema, query string
	want                    Want // of the first column of the first row, or of nothing where there is none
}

func (p *sqlProbe) fields(r *reader) []field {
	return []field{{"sql", r.text(&p.resource)}, {"schema", r.text(&p.schema)}, {"query", r.text(&p.query)}, {"want", r.want(&p.want)}}
}

func (p *sqlProbe) needs() []need { return []need{{resource, p.resource}} }

func (p *sqlProbe) look(ctx context.Context, w *world) Sight {
	where, err := w.resource(ctx, p.resource)
	if err != nil {
		return missed(err)
	}
	db, _, err := database.Open(where, p.schema)
	if err != nil {
		return missed(cannotf("open %s: %w", p.resource, err))
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, w.fill(p.query, nil))
	if err != nil {
		return missed(p.asked(err))
	}
	defer rows.Close()
	value := ""
	if rows.Next() {
		columns, err := rows.Columns()
		if err != nil {
			return missed(cannot{err})
		}
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			return missed(cannotf("read row of %s: %w", p.resource, err))
		}
		value = cell(*cells[0].(*any))
	}
	if err := rows.Err(); err != nil {
		return missed(p.asked(err))
	}
	return compared(value, p.want)
}

// asked is why a query found nothing. One that the database does not understand says nothing about the fleet.
func (p *sqlProbe) asked(err error) error {
	if database.Mistaken(err) {
		return cannotf("ask %s: %w", p.resource, err)
	}
	return fmt.Errorf("ask %s: %w", p.resource, err)
}

func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

// redisProbe is what a command answers.
type redisProbe struct {
	resource string
	words    []string
	want     Want
}

func (p *redisProbe) fields(r *reader) []field {
	return []field{{"redis", r.text(&p.resource)}, {"do", r.texts(&p.words)}, {"want", r.want(&p.want)}}
}

func (p *redisProbe) needs() []need { return []need{{resource, p.resource}} }

func (p *redisProbe) look(ctx context.Context, w *world) Sight {
	where, err := w.resource(ctx, p.resource)
	if err != nil {
		return missed(err)
	}
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "redis" {
		return missed(cannotf("open %s: it is no redis", p.resource))
	}
	c := redis.NewClient(&redis.Options{Addr: u.Host, MaxRetries: -1, DialerRetries: 1, PoolSize: 1})
	defer c.Close()
	var args []any
	for _, word := range p.words {
		args = append(args, w.fill(word, nil))
	}
	got, err := c.Do(ctx, args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return missed(fmt.Errorf("ask %s: %w", p.resource, err))
	}
	return compared(cell(got), p.want)
}

// fileProbe is what a file of the stack holds.
type fileProbe struct {
	path   string // in the stack's folder
	gone   bool
	expect text
}

func (p *fileProbe) fields(r *reader) []field {
	return append([]field{{"file", r.text(&p.path)}, {"gone", r.truth(&p.gone)}}, p.expect.fields(r)...)
}

func (p *fileProbe) needs() []need { return nil }

func (p *fileProbe) look(_ context.Context, w *world) Sight {
	root, err := os.OpenRoot(w.Stack.Dir)
	if err != nil {
		return missed(cannot{err})
	}
	defer root.Close()
	f, err := root.Open(w.fill(p.path, nil))
	if errors.Is(err, os.ErrNotExist) {
		if p.gone {
			return held("gone")
		}
		return judged("gone", "there is no "+p.path)
	}
	if err != nil {
		return missed(cannotf("read file: %w", err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAnswer))
	if err != nil {
		return missed(cannotf("read file: %w", err))
	}
	if p.gone {
		return judged("there", p.path+" is there")
	}
	value := fmt.Sprintf("%d bytes", len(data))
	return judged(value, p.expect.judge(strings.ToValidUTF8(string(data), "?"), func(s string) string { return w.fill(s, nil) }))
}
