package broker

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// InteractionID names the nth interaction of a pact's content in results.
func InteractionID(hash string, n int) string {
	sum := sha1.Sum([]byte(hash + "/" + strconv.Itoa(n)))
	return hex.EncodeToString(sum[:])
}

// latestPacts returns the newest pact of each pair that keep lets through, by consumer and provider.
func (d *Data) latestPacts(keep func(Publication) bool) []Publication {
	newest := map[[2]string]Publication{}
	for _, p := range d.Pacts {
		key := [2]string{p.Consumer, p.Provider}
		if old, there := newest[key]; keep(p) && (!there || d.age(p.Consumer, p.Version) >= d.age(old.Consumer, old.Version)) {
			newest[key] = p
		}
	}
	var out []Publication
	for _, p := range newest {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Publication) int {
		return slices.Compare([]string{a.Consumer, a.Provider}, []string{b.Consumer, b.Provider})
	})
	return out
}

// find returns the pact that a request's path names: by hash, by the consumer's version, or the newest.
func (d *Data) find(r *http.Request) (Publication, error) {
	hash, version := r.PathValue("hash"), r.PathValue("version")
	found := d.latestPacts(func(p Publication) bool {
		return p.Provider == r.PathValue("provider") && p.Consumer == r.PathValue("consumer") &&
			(hash == "" || p.Hash == hash) && (version == "" || p.Version == version)
	})
	if len(found) == 0 {
		return Publication{}, refuse(http.StatusNotFound, "there is no such pact between %s and %s", r.PathValue("consumer"), r.PathValue("provider"))
	}
	return found[0], nil
}

// pact hands out one pact.
func (b *Broker) pact(x exchange) error {
	var doc object
	err := b.Store.View(func(d *Data) error {
		p, err := d.find(x.r)
		if err != nil {
			return err
		}
		doc, err = x.document(p, d.Contents[p.Hash], x.r.PathValue("meta"))
		return err
	})
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, doc)
	return nil
}

// document is a pact as it is handed out: with an id on each interaction, by which results name it.
func (x exchange) document(p Publication, content json.RawMessage, meta string) (object, error) {
	doc := object{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read pact between %s and %s: %w", p.Consumer, p.Provider, err)
	}
	n := 0
	for _, key := range []string{"interactions", "messages"} {
		list, _ := doc[key].([]any)
		for _, each := range list {
			if i, ok := each.(map[string]any); ok {
				i["_id"] = InteractionID(p.Hash, n)
			}
			n++
		}
	}
	doc["createdAt"] = p.Created.UTC().Format(time.RFC3339)
	doc["_links"] = x.pactLinks(p, meta)
	return doc, nil
}

func (p Publication) path(more ...string) string {
	return path(append([]string{"/pacts/provider", p.Provider, "consumer", p.Consumer}, more...)...)
}

func (p Publication) title() string {
	return fmt.Sprintf("Pact between %s (%s) and %s", p.Consumer, p.Version, p.Provider)
}

func (x exchange) pactLinks(p Publication, meta string) object {
	results := []string{"pact-version", p.Hash, "verification-results"}
	if meta != "" {
		results = []string{"pact-version", p.Hash, "metadata", meta, "verification-results"}
	}
	return object{
		"self":                            x.link(p.path("version", p.Version), "title", "Pact", "name", p.title()),
		"pb:consumer":                     x.link(path("/pacticipants", p.Consumer), "title", "Consumer", "name", p.Consumer),
		"pb:consumer-version":             x.link(path("/pacticipants", p.Consumer, "versions", p.Version), "name", p.Version),
		"pb:provider":                     x.link(path("/pacticipants", p.Provider), "title", "Provider", "name", p.Provider),
		"pb:pact-version":                 x.link(p.path("pact-version", p.Hash), "name", p.Hash),
		"pb:publish-verification-results": x.link(p.path(results...), "title", "Publish verification results"),
	}
}

// latest lists the newest pact of each pair.
func (b *Broker) latest(x exchange) error {
	list := []any{}
	b.Store.View(func(d *Data) error {
		for _, p := range d.latestPacts(func(Publication) bool { return true }) {
			list = append(list, x.listed(p))
		}
		return nil
	})
	x.answer(http.StatusOK, object{"pacts": list, "_links": object{"self": x.link("/pacts/latest")}})
	return nil
}

func (x exchange) listed(p Publication) object {
	version := object{"number": p.Version, "_links": object{"self": x.link(path("/pacticipants", p.Consumer, "versions", p.Version))}}
	consumer := object{"name": p.Consumer, "_embedded": object{"version": version},
		"_links": object{"self": x.link(path("/pacticipants", p.Consumer))}}
	provider := object{"name": p.Provider, "_links": object{"self": x.link(path("/pacticipants", p.Provider))}}
	return object{
		"createdAt": p.Created.UTC().Format(time.RFC3339),
		"_embedded": object{"consumer": consumer, "provider": provider},
		"_links": object{"self": []any{x.link(p.path("version", p.Version), "name", p.title()),
			x.link(p.path("latest"), "name", p.title())}},
	}
}

// latestOf links to the newest pacts of one provider, of a branch of the consumers where the path names one:
// each consumer's main one where it names none.
func (b *Broker) latestOf(x exchange) error {
	links := []any{}
	provider, branch := x.r.PathValue("provider"), x.r.PathValue("branch")
	main := strings.HasSuffix(x.r.URL.Path, "/branch")
	b.Store.View(func(d *Data) error {
		for _, p := range d.latestPacts(func(p Publication) bool {
			return p.Provider == provider && (branch == "" || d.onBranch(p.Consumer, p.Version, branch)) &&
				(!main || d.onBranch(p.Consumer, p.Version, d.mainBranch(p.Consumer)))
		}) {
			links = append(links, x.link(p.path("version", p.Version), "name", p.Consumer, "title", p.title()))
		}
		return nil
	})
	x.answer(http.StatusOK, object{"_links": object{
		"self":     x.link(path("/pacts/provider", provider, "latest")),
		"pb:pacts": links, "pacts": links,
	}})
	return nil
}
