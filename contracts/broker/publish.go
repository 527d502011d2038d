package broker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"msctl.dev/msctl/contracts"
)

// publishing is what a client sends to publish its pacts.
type publishing struct {
	Name      string   `json:"pacticipantName"`
	Version   string   `json:"pacticipantVersionNumber"`
	Branch    string   `json:"branch"`
	Tags      []string `json:"tags"`
	Build     string   `json:"buildUrl"`
	Contracts []struct {
		Consumer string `json:"consumerName"`
		Provider string `json:"providerName"`
		Content  string `json:"content"` // base64
	} `json:"contracts"`
}

// publish takes all pacts of one version of a consumer, or none.
func (b *Broker) publish(x exchange) error {
	var in publishing
	if err := x.read(&in); err != nil {
		return err
	}
	if in.Name == "" || in.Version == "" {
		return &refusal{status: http.StatusBadRequest, text: "name and version of the participant are missing",
			fields: object{"pacticipantName": []string{"is missing"}}}
	}
	var notices, links []any
	err := b.Store.Update(func(d *Data) error {
		now := b.now()
		v := d.enter(in.Name, in.Version, now)
		v.Build = in.Build
		add(&v.Branches, in.Branch)
		for _, t := range in.Tags {
			add(&v.Tags, t)
		}
		notices = append(notices, notice("success", "Created %s version %s", in.Name, in.Version))
		for _, c := range in.Contracts {
			content, err := base64.StdEncoding.DecodeString(c.Content)
			if err != nil {
				return refuse(http.StatusBadRequest, "read pact between %s and %s: %v", c.Consumer, c.Provider, err)
			}
			p, text, err := d.take(Publication{Consumer: c.Consumer, Provider: c.Provider, Version: in.Version, Created: now}, content)
			if err != nil {
				return err
			}
			notices = append(notices, notice("success", "%s", text))
			links = append(links, x.link(p.path("version", p.Version), "title", "Pact", "name", p.title()))
		}
		return nil
	})
	if err != nil {
		return err
	}
	who := x.link(path("/pacticipants", in.Name), "title", "Pacticipant", "name", in.Name)
	version := x.link(path("/pacticipants", in.Name, "versions", in.Version), "title", "Pacticipant version", "name", in.Version)
	x.answer(http.StatusOK, object{
		"notices": notices, "logs": []any{},
		"_embedded": object{
			"pacticipant": object{"name": in.Name, "_links": object{"self": who}},
			"version":     object{"number": in.Version, "_links": object{"self": version}},
		},
		"_links": object{"pb:pacticipant": who, "pb:pacticipant-version": version, "pb:pacticipant-version-tags": []any{}, "pb:contracts": links},
	})
	return nil
}

// take keeps one pact and says in words what that was. A version's pact is never replaced by another.
func (d *Data) take(p Publication, content []byte) (Publication, string, error) {
	read, err := contracts.Parse(content, contracts.Limits{})
	if err == nil && (read.Consumer != p.Consumer || read.Provider != p.Provider) {
		err = fmt.Errorf("it is of %s", read.Edge())
	}
	if err != nil {
		return p, "", refuse(http.StatusBadRequest, "read pact between %s and %s: %v", p.Consumer, p.Provider, err)
	}
	p.Hash = read.Hash()[:40]
	old, again := d.published(p.Consumer, p.Version, p.Provider)
	switch {
	case again && old.Hash != p.Hash:
		text := "Cannot change the content of the pact for " + p.Consumer + " version " + p.Version + " and provider " + p.Provider +
			": race conditions and wrong answers of can-i-deploy would follow. Each version has its own pact."
		return p, "", &refusal{status: http.StatusConflict, text: text,
			extra: object{"notices": []any{notice("error", "%s", text)}, "errors": object{"contracts": []string{text}}}}
	case again:
		return old, "Pact between " + p.Consumer + " and " + p.Provider + " is there already", nil
	}
	d.join(p.Provider, p.Created)
	d.Contents[p.Hash] = json.RawMessage(content)
	d.Pacts = append(d.Pacts, p)
	return p, "Pact successfully published for " + p.Consumer + " version " + p.Version + " and provider " + p.Provider, nil
}

// put publishes one pact in the way of older clients.
func (b *Broker) put(x exchange) error {
	content, err := io.ReadAll(x.r.Body)
	if err != nil {
		return refuse(http.StatusBadRequest, "read body: %v", err)
	}
	status := http.StatusCreated
	var doc object
	err = b.Store.Update(func(d *Data) error {
		p := Publication{Consumer: x.r.PathValue("consumer"), Provider: x.r.PathValue("provider"),
			Version: x.r.PathValue("version"), Created: b.now()}
		if _, again := d.published(p.Consumer, p.Version, p.Provider); again {
			status = http.StatusOK
		}
		d.enter(p.Consumer, p.Version, p.Created)
		p, _, err := d.take(p, content)
		if err != nil {
			return err
		}
		doc, err = x.document(p, d.Contents[p.Hash], "")
		return err
	})
	if err != nil {
		return err
	}
	x.answer(status, doc)
	return nil
}

// Publish keeps pacts without a client: the content of each, of one version of its consumer.
func Publish(s Store, consumer, provider, version, branch string, content []byte, now time.Time) (Publication, error) {
	var p Publication
	err := s.Update(func(d *Data) error {
		v := d.enter(consumer, version, now)
		add(&v.Branches, branch)
		var err error
		p, _, err = d.take(Publication{Consumer: consumer, Provider: provider, Version: version, Created: now}, slices.Clone(content))
		return err
	})
	return p, err
}
