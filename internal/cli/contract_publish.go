package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msctl.dev/msctl/contracts"
	"msctl.dev/msctl/contracts/broker"
)

// publishOptions is what `contract publish` was asked.
type publishOptions struct {
	broker, version, branch, build string
	tags                           []string
	json                           *bool
}

func newContractPublish(a *App) *cobra.Command {
	o := &publishOptions{}
	cmd := &cobra.Command{
		Use:   "publish [CONSUMER…]",
		Short: "Send pacts to a Pact Broker",
		Long: "publish sends the pacts of contracts/pacts to a broker, under a version of their consumers: to one that\n" +
			"`msctl contract serve` runs, to a Pact Broker or to PactFlow. The broker's address is --broker or the\n" +
			"variable PACT_BROKER_BASE_URL; its token is read from " + tokenVariable + ", never from the command line.",
		Example: "  msctl contract publish --version $(git rev-parse HEAD) --branch main --broker http://127.0.0.1:9292",
	}
	f := cmd.Flags()
	f.StringVar(&o.broker, "broker", "", "address of the broker, an `URL` (default $PACT_BROKER_BASE_URL)")
	f.StringVar(&o.version, "version", "", "`VERSION` of the consumers, such as a commit")
	f.StringVar(&o.branch, "branch", "", "`BRANCH` that the version is on")
	f.StringVar(&o.build, "build-url", "", "`URL` of the build")
	f.StringArrayVar(&o.tags, "tag", nil, "`TAG` of the version; repeat")
	o.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, consumers []string) error {
		return a.contractPublish(cmd.Context(), o, consumers)
	}
	return cmd
}

// publishTime bounds all that is sent.
const publishTime = 2 * time.Minute

func (a *App) contractPublish(ctx context.Context, o *publishOptions, consumers []string) error {
	c, err := a.brokerClient(o)
	if err != nil {
		return err
	}
	p, err := a.place()
	if err != nil {
		return err
	}
	pacts, err := contracts.Load(filepath.Join(p.dir, contracts.Dir))
	if err != nil {
		return &codedError{err, exitInfrastructure, "`msctl contract test` writes them"}
	}
	var known []string
	for _, pact := range pacts {
		known = append(known, pact.Consumer)
	}
	if len(known) == 0 {
		return &codedError{fmt.Errorf("publish: %s holds no pacts", contracts.Dir), exitUnknown, "`msctl contract test` writes them"}
	}
	if err := checkNames(consumers, known); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	for _, consumer := range once(known) {
		if len(consumers) > 0 && !slices.Contains(consumers, consumer) {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(pacts), func(p contracts.Pact) bool { return p.Consumer != consumer })
		if err := a.publishOne(ctx, c, o, consumer, own); err != nil {
			return err
		}
	}
	return nil
}

// brokerClient reads where the broker is and under which version is published.
func (a *App) brokerClient(o *publishOptions) (broker.Client, error) {
	where := o.broker
	if where == "" {
		where = a.Getenv("PACT_BROKER_BASE_URL")
	}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return broker.Client{}, usage("--broker http://127.0.0.1:9292, or PACT_BROKER_BASE_URL", "read --broker: it names no http address")
	}
	if o.version == "" {
		return broker.Client{}, usage("--version $(git rev-parse HEAD)", "read --version: it is missing")
	}
	password, _ := u.User.Password()
	c := broker.Client{URL: where, Token: a.Getenv(tokenVariable), User: a.Getenv("PACT_BROKER_USERNAME"), Password: a.Getenv("PACT_BROKER_PASSWORD")}
	if u.User != nil {
		c.User, c.Password = u.User.Username(), password
		u.User = nil
		c.URL = u.String()
	}
	return c, nil
}

func (a *App) publishOne(ctx context.Context, c broker.Client, o *publishOptions, consumer string, pacts []contracts.Pact) error {
	notices, err := c.Publish(ctx, broker.Publishing{Consumer: consumer, Version: o.version, Branch: o.branch, Tags: o.tags, Build: o.build, Pacts: pacts})
	var refused *broker.Refused
	switch {
	case errors.As(err, &refused):
		return failed("each version has its own pact: publish under another --version", "publish pacts of %s: %w", consumer, err)
	case err != nil:
		return &codedError{fmt.Errorf("publish pacts of %s: %w", consumer, err), exitInfrastructure, ""}
	}
	if *o.json {
		var providers []string
		for _, p := range pacts {
			providers = append(providers, p.Provider)
		}
		return writeJSON(a.Out, "published", struct {
			Consumer  string   `json:"consumer"`
			Version   string   `json:"version"`
			Providers []string `json:"providers"`
		}{consumer, o.version, providers})
	}
	for _, n := range notices {
		fmt.Fprintln(a.Err, clean(strings.ReplaceAll(n, "\n", " ")))
	}
	return nil
}
