package archivetest

import "patchbay/tests/contract/internal/suite"

// The cases, in the order in which docs/contract.md lists them.
var cases = []suite.Case[copying[Harness]]{
	{
		Name: "an empty store has no entries",
		Doc:  "Scan and Digests of an empty store return no entry of any section.",
		Run:  between(emptyStore),
	},
	{
		Name: "records are copied as they are",
		Doc:  "Every record comes across with all fields, and unique values, lists, counts and revisions hold in the copy.",
		Run:  between(recordsCopied),
	},
	{
		Name: "children are copied with their record",
		Doc:  "Children can be put before, after and with their record, and in the copy they go when it is detached or purged.",
		Run:  between(childrenCopied),
	},
	{
		Name: "waiting and claimed records wait and are claimed in the copy",
		Doc:  "Queue, due time, owner and lease come across, and a claim made before the copy is valid in it.",
		Run:  between(queuesCopied),
	},
	{
		Name: "the feed goes on after its last number",
		Doc:  "The feed comes across with its numbers, and the next event of the copy gets the next number.",
		Run:  between(feedCopied),
	},
	{
		Name: "a page ends with its limit and by bytes",
		Doc:  "A page of Scan ends at its limit or once it is large, and Scan returns Unavailable under an ended context.",
		Run:  between(pagesAreBounded),
	},
	{
		Name: "a taken value is refused",
		Doc:  "Put of a record whose id, key or reference is taken is refused with Conflict and changes nothing.",
		Run:  between(putRefused),
	},
	{
		Name: "a value that moved between records is copied",
		Doc:  "After a removal, records that have exchanged their keys come across.",
		Run:  between(movedValueCopied),
	},
	{
		Name: "what is named is removed, and nothing else",
		Doc:  "Remove removes the named entries of its section only, ignores names that do not exist, and frees unique values.",
		Run:  between(removedByName),
	},
}

var userCases = []suite.Case[copying[UsersHarness]]{
	{
		Name: "users are copied as they are",
		Doc:  "Every user comes across with all fields, and is found by id, by email and in lists.",
		Run:  between(usersCopied),
	},
	{
		Name: "keys, original states and deleted users are copied",
		Doc:  "FindByKey returns the same for a user that is unchanged, changed or deleted.",
		Run:  between(creationsCopied),
	},
	{
		Name: "the copy treats users as its own",
		Doc:  "Emails, keys, ids, versions, the feed and the purge hold in the copy for users that came across.",
		Run:  between(usersAreOwn),
	},
	{
		Name: "taken users are refused and named ones removed",
		Doc:  "Put of a user whose id, email or key is taken is refused with Conflict, and Remove removes the named users only.",
		Run:  between(usersRefused),
	},
}
