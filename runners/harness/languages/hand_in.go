package PACKAGE

import codeassayOS "os"

// codeassayHandIn is called where the tests have come to their end; only then is the ticket handed in.
func codeassayHandIn() {
	ticket, failure := codeassayOS.ReadFile("/tmp/ticket")
	if failure != nil || codeassayOS.WriteFile("/tmp/handed-in", ticket, 0o600) != nil {
		codeassayOS.Exit(96)
	}
}
