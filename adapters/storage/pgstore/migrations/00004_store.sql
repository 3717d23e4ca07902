-- +goose Up
-- Makes the tables of a new store. Their version is 4: programs before this one made
-- the same tables in four steps, and may open a store that this one has made.
INSERT INTO patchbay_migrations (version_id, is_applied) VALUES (1, true), (2, true), (3, true);

-- Times are microseconds since 1970. A parent, idem, ref, queue, flag or email that is
-- absent is NULL, so that the indexes pass over it. Texts that lists are ordered by
-- compare as bytes, whatever the database's own order is.
CREATE TABLE patchbay_record (
  kind     text   COLLATE "C" NOT NULL,
  tenant   text   COLLATE "C" NOT NULL,
  id       text   COLLATE "C" NOT NULL,
  rev      bigint NOT NULL,
  idem     text   COLLATE "C",
  ref      text   COLLATE "C",
  status   text   COLLATE "C" NOT NULL,
  customer text   COLLATE "C" NOT NULL,
  created  bigint NOT NULL,
  queue    text   COLLATE "C",
  due      bigint NOT NULL,
  owner    text   NOT NULL,
  flag     text   COLLATE "C", -- what somebody may have to look after
  flagged  bigint NOT NULL DEFAULT 0, -- since when
  body     bytea  NOT NULL,
  content  bytea, -- what lists leave out
  parent   text   COLLATE "C", -- kind|id of the record that this one is a child of
  PRIMARY KEY (kind, tenant, id)
);
CREATE UNIQUE INDEX patchbay_record_idem ON patchbay_record (kind, idem) WHERE idem IS NOT NULL;
CREATE UNIQUE INDEX patchbay_record_ref ON patchbay_record (kind, ref) WHERE ref IS NOT NULL;
CREATE INDEX patchbay_record_queue ON patchbay_record (queue, due) WHERE queue IS NOT NULL;
CREATE INDEX patchbay_record_list ON patchbay_record (kind, tenant, created, id);
CREATE INDEX patchbay_record_status ON patchbay_record (kind, tenant, status, created, id);
CREATE INDEX patchbay_record_customer ON patchbay_record (kind, tenant, customer, created, id) WHERE customer <> '';
CREATE INDEX patchbay_record_parent ON patchbay_record (tenant, parent) WHERE parent IS NOT NULL;
CREATE INDEX patchbay_record_flag ON patchbay_record (kind, flag, flagged) WHERE flag IS NOT NULL;

-- The events of a save wait here, and are moved to the feed: numbers given at the save
-- would have gaps where it is rolled back, and come late where another commits first.
CREATE TABLE patchbay_told (
  n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant  text   NOT NULL,
  id      text   NOT NULL,
  type    text   NOT NULL,
  subject text   NOT NULL,
  at      bigint NOT NULL,
  data    bytea
);

CREATE TABLE patchbay_feed (
  seq     bigint PRIMARY KEY,
  tenant  text   COLLATE "C" NOT NULL,
  id      text   NOT NULL,
  type    text   NOT NULL,
  subject text   NOT NULL,
  at      bigint NOT NULL,
  data    bytea
);
CREATE INDEX patchbay_feed_tenant ON patchbay_feed (tenant, seq);

-- A deleted user keeps id, idem and fingerprint, and nothing personal.
-- original is the user as created, once it has changed, for repeats of idem.
CREATE TABLE patchbay_person (
  tenant      text    COLLATE "C" NOT NULL,
  id          text    COLLATE "C" NOT NULL,
  email       text    COLLATE "C",
  name        text    NOT NULL,
  metadata    bytea,
  version     bigint  NOT NULL,
  created     bigint  NOT NULL,
  updated     bigint  NOT NULL,
  idem        text    COLLATE "C",
  fingerprint text    NOT NULL,
  original    bytea,
  deleted     boolean NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX patchbay_person_email ON patchbay_person (tenant, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX patchbay_person_idem ON patchbay_person (idem) WHERE idem IS NOT NULL;
CREATE INDEX patchbay_person_list ON patchbay_person (tenant, created, id) WHERE NOT deleted;
CREATE INDEX patchbay_person_traces ON patchbay_person (created) WHERE idem IS NOT NULL OR deleted;

CREATE TABLE patchbay_ping (one integer PRIMARY KEY CHECK (one = 1), at bigint NOT NULL);
