package cli

import "strings"

// called is how msctl is called for the fleet of this command: with its copy where it is one.
func (a *App) called() string {
	if a.instance == "" {
		return "msctl"
	}
	return "msctl --instance " + a.instance
}

// aimed makes every command that a text proposes in backquotes one for the fleet of this command.
func (a *App) aimed(text string) string {
	return strings.ReplaceAll(text, "`msctl ", "`"+a.called()+" ")
}
