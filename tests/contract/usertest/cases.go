package usertest

import "patchbay/tests/contract/internal/suite"

// The cases, in the order in which docs/contract.md lists them.
var cases = []suite.Case[Harness]{
	{
		Name: "a user is found by id and by email",
		Doc:  "FindByID and FindByEmail return a created user with every field.",
		Run:  userFound,
	},
	{
		Name: "an email belongs to one user",
		Doc:  "A second user with the same email is refused with Conflict and the code email_taken, one with the same id with id_taken.",
		Run:  emailUnique,
	},
	{
		Name: "concurrent creates of one email make one user",
		Doc:  "Of twenty creates with the same email at the same time one succeeds and the others return email_taken.",
		Run:  emailRace,
	},
	{
		Name: "an email that is created and deleted is free or taken",
		Doc:  "While users with one email are created and deleted at the same time, a create succeeds or returns email_taken, and nothing else.",
		Run:  emailComesAndGoes,
	},
	{
		Name: "tenants have their own users",
		Doc:  "Tenants may use the same email, and no call reads, changes, deletes or lists a user of another tenant.",
		Run:  usersByTenant,
	},
	{
		Name: "a key is taken once",
		Doc:  "A create under a key that was used is refused with key_taken, also if the email is taken as well.",
		Run:  keyTaken,
	},
	{
		Name: "a key finds the user as it was created",
		Doc:  "FindByKey returns the user as it was created, whatever was changed since, and the fingerprint of the request.",
		Run:  keyKeepsCreation,
	},
	{
		Name: "a deleted user leaves its key and nothing personal",
		Doc:  "After a deletion FindByKey returns the id alone and says that the user is deleted, and the key stays taken.",
		Run:  deletedKeepsKey,
	},
	{
		Name: "old keys and deleted users are purged",
		Doc:  "Purge removes old keys, original states and what is left of old deleted users, at most n at a time, and no user.",
		Run:  usersPurged,
	},
	{
		Name: "a change leaves other fields as they are",
		Doc:  "Update changes the given fields only, increases the version and moves the time of the change.",
		Run:  changeInPart,
	},
	{
		Name: "metadata is merged",
		Doc:  "Update adds and replaces entries of the metadata, and deletes those whose value is nil.",
		Run:  metadataMerged,
	},
	{
		Name: "metadata can be cleared",
		Doc:  "With ClearMetadata the given entries replace all that were there.",
		Run:  metadataCleared,
	},
	{
		Name: "metadata comes back whatever its keys are",
		Doc:  "Metadata with keys and values that mean something to a database comes back unchanged.",
		Run:  metadataKept,
	},
	{
		Name: "a change of another version is refused",
		Doc:  "Update and Delete with a version that is not current are refused with Conflict and the code version_mismatch.",
		Run:  versionChecked,
	},
	{
		Name: "a change to a taken email is refused",
		Doc:  "An update to another user's email is refused with email_taken and changes nothing.",
		Run:  changeToTaken,
	},
	{
		Name: "an invalid change is refused",
		Doc:  "An update that makes a user invalid is refused with Invalid and changes nothing.",
		Run:  invalidChange,
	},
	{
		Name: "concurrent changes are all kept",
		Doc:  "Of twenty updates of one user at the same time none is lost, and each counts the version.",
		Run:  userChangesAtOnce,
	},
	{
		Name: "a deletion frees the email and not the id",
		Doc:  "After a deletion the user is not found, another user can have the email, and the id stays taken.",
		Run:  deletionFrees,
	},
	{
		Name: "unknown users are not found",
		Doc:  "Every call returns NotFound for a user that does not exist, and List returns Invalid for a malformed cursor.",
		Run:  usersNotFound,
	},
	{
		Name: "a list is newest first and goes on",
		Doc:  "Reading on from a cursor returns each user once, newest first, also while users are created and deleted.",
		Run:  usersListed,
	},
	{
		Name: "a page ends by bytes",
		Doc:  "A page of large users ends before its limit, is never empty, and the list continues after it.",
		Run:  usersEndByBytes,
	},
	{
		Name: "every change is in the feed without personal data",
		Doc:  "Create, update and delete each add an event with the version alone; a refused change adds none.",
		Run:  usersFeed,
	},
	{
		Name: "text that looks like a query is text",
		Doc:  "Names, metadata, ids and emails that look like SQL or a query of MongoDB are only compared and stored.",
		Run:  usersInert,
	},
	{
		Name: "long text in any script comes back",
		Doc:  "A name and metadata of the greatest length in several scripts come back unchanged.",
		Run:  usersUnicode,
	},
}
