# Files: what is taken and what is not, how it comes back, what it costs.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use IO::Compress::Zip qw(zip $ZipError);
use IO::Select ();
use IO::Socket::INET ();
use WA::Test;

my ($user, $other);
my %id;

# --- little files of each type ------------------------------------------------

sub zip_of {
    my (@entries) = @_; # [name, bytes, stored]
    my $out;
    my $z;
    for (@entries) {
        my ($name, $bytes, $stored) = @$_;
        my @method = (Method => $stored ? IO::Compress::Zip::ZIP_CM_STORE() : IO::Compress::Zip::ZIP_CM_DEFLATE());
        if ($z) { $z->newStream(Name => $name, @method) }
        else { $z = IO::Compress::Zip->new(\$out, Name => $name, @method) or die $ZipError }
        $z->print($bytes);
    }
    $z->close;
    return $out;
}

my $OOXML = 'application/vnd.openxmlformats-officedocument';
my $ODF = 'application/vnd.oasis.opendocument';
my $TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>';
my $JPEG = "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" . ("\0" x 300) . "\xff\xd9";
my $PNG = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";
my $WEBP = "RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0\x30\1\0\x9d\1\x2a\1\0\1\0\2\0\x34\x25\xa4\0\3\x70\0\xfe\xfb\xfd\x50\0";
my $MP4 = "\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" . "\0\0\0\x08free" . ("\0" x 64);
my $OGG = "OggS\0\2" . ("\0" x 8) . "abcd\0\0\0\0efgh\1\x13OpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0" . ("\0" x 64);
my $MP3 = "ID3\3\0\0\0\0\0\0" . ("\xff\xfb\x90\x64" . ("\0" x 413)) x 4;
my $PDF = "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n";
# As LibreOffice writes them: [Content_Types].xml last, and mimetype first and stored.
my $DOCX = zip_of(['_rels/.rels', '<x/>'], ['word/document.xml', '<w/>'], ['word/styles.xml', '<w/>'], ['[Content_Types].xml', $TYPES]);
# As Microsoft writes it.
my $DOCX_MS = zip_of(['[Content_Types].xml', $TYPES], ['_rels/.rels', '<x/>'], ['word/document2.xml', '<w/>']);
my $XLSX = zip_of(['_rels/.rels', '<x/>'], ['docProps/app.xml', '<x/>'], ['xl/workbook.xml', '<x/>'], ['[Content_Types].xml', $TYPES]);
my $PPTX = zip_of(['ppt/presentation.xml', '<x/>'], ['[Content_Types].xml', $TYPES]);
sub odf { my ($type) = @_; return zip_of(['mimetype', $type, 1], ['content.xml', '<x/>'], ['META-INF/manifest.xml', '<x/>']) }
my $ZIP = zip_of(['a.txt', 'hello'], ['b/c.txt', 'world']);

my @GOOD = (
    [jpeg => $JPEG, 'a.jpg', 'image/jpeg'], [png => $PNG, 'a.png', 'image/png'], [webp => $WEBP, 'a.webp', 'image/webp'],
    [mp4 => $MP4, 'a.mp4', 'video/mp4'], [ogg => $OGG, 'a.ogg', 'audio/ogg'], [mp3 => $MP3, 'a.mp3', 'audio/mpeg'],
    [pdf => $PDF, 'a.pdf', 'application/pdf'],
    ['docx of LibreOffice' => $DOCX, 'a.docx', "$OOXML.wordprocessingml.document"],
    ['docx of Office Online' => $DOCX_MS, 'a.docx', "$OOXML.wordprocessingml.document"],
    [xlsx => $XLSX, 'a.xlsx', "$OOXML.spreadsheetml.sheet"], [pptx => $PPTX, 'a.pptx', "$OOXML.presentationml.presentation"],
    map({ ["od$_->[0]" => odf("$ODF.$_->[1]"), "a.od$_->[0]", "$ODF.$_->[1]"] } ['t', 'text'], ['s', 'spreadsheet'], ['p', 'presentation']),
    [zip => $ZIP, 'a.zip', 'application/zip'],
    [txt => "Gr\xc3\xbc\xc3\x9fe\n", 'a.txt', 'text/plain'], ['txt in Latin-1' => "Gr\xfc\xdfe\n", 'a.txt', 'text/plain'],
    [csv => "a;b\r\n1;2\r\n", 'a.csv', 'text/csv'],
);

# --- getting ready -------------------------------------------------------------

step 'two users' => sub {
    $user = new_user();
    $other = new_user();
    return ([map { length $_->{key} > 20 } $user, $other], [1, 1]);
};

# --- what is taken ---------------------------------------------------------------

for (@GOOD) {
    my ($what, $bytes, $name, $type) = @$_;
    it "$what is kept and comes back" => sub {
        my $r = upload($user, $bytes, $name, $type);
        my $get = api(GET => "/media/" . ($r->{json}{id} // 'none'), key => $user->{key});
        return ([$r->{status}, pick($r->{json}, qw(mime_type size sha256 file_name state source)), header($r, 'Location'),
                $get->{status}, header($get, 'Content-Type') =~ s/;.*//r, sha256_hex($get->{content})],
            [201, { mime_type => $type, size => length $bytes, sha256 => sha256_hex($bytes), file_name => $name,
                state => 'stored', source => 'upload' }, "/api/media/$r->{json}{id}", 200, $type, sha256_hex($bytes)]);
    };
}
it 'bytes that are said to be nothing have the type they show, text that of its name' => sub {
    my @types = map { upload($user, @$_)->{json}{mime_type} } [$PDF, 'x', 'application/octet-stream'], [$PDF, 'x', undef],
        ["a,b\n", 'x.csv', undef], ["a\n", 'x', undef];
    return (\@types, ['application/pdf', 'application/pdf', 'text/csv', 'text/plain']);
};
it 'other names of the same types' => sub {
    my @types = map { upload($user, @$_)->{json}{mime_type} } [$JPEG, 'x', 'image/jpg'], [$ZIP, 'x.zip', 'application/x-zip-compressed'],
        ["a,b\n", 'x.csv', 'application/vnd.ms-excel'], [$OGG, 'x.ogg', 'audio/ogg; codecs=opus'], [$DOCX, 'x.zip', 'application/zip'];
    return (\@types, ['image/jpeg', 'application/zip', 'text/csv', 'audio/ogg', 'application/zip']);
};

# --- what is not -------------------------------------------------------------------

my $SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
my $HTML = "<!DOCTYPE html><html><body>hello</body></html>";
my $PE = "MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0" . ("\0" x 44) . "\x80\0\0\0" . ("\0" x 64) . "PE\0\0L\1" . ("\0" x 200);
my $OLE = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" . ("\0" x 504);
for (
    ['no bytes', '', 'a.txt', 'text/plain', 422, 'media_empty'],
    ['SVG', $SVG, 'a.svg', 'image/svg+xml', 415, 'media_type_refused'],
    ['SVG that is said to be PNG', $SVG, 'a.png', 'image/png', 422, 'media_type_mismatch'],
    ['SVG that is said to be text', $SVG, 'a.txt', 'text/plain', 415, 'media_type_refused'],
    ['SVG that is said to be nothing', $SVG, 'a', undef, 415, 'media_type_refused'],
    ['HTML', $HTML, 'a.html', 'text/html', 415, 'media_type_refused'],
    ['HTML that is said to be text', $HTML, 'a.txt', 'text/plain', 415, 'media_type_refused'],
    ['HTML behind a byte order mark', "\xef\xbb\xbf \n$HTML", 'a.csv', 'text/csv', 415, 'media_type_refused'],
    ['a shell script as text', "#!/bin/sh\necho\n", 'a.txt', 'text/plain', 415, 'media_type_refused'],
    ['PHP as text', "<?php system('id');", 'a.txt', 'text/plain', 415, 'media_type_refused'],
    ['a program', $PE, 'a.exe', 'application/x-msdownload', 415, 'media_type_refused'],
    ['a program that is said to be nothing', $PE, 'a.exe', undef, 415, 'media_type_refused'],
    ['a program that is said to be PDF', $PE, 'a.pdf', 'application/pdf', 422, 'media_type_mismatch'],
    ['a program that is said to be text', $PE, 'a.txt', 'text/plain', 422, 'media_type_mismatch'],
    ['GIF', "GIF89a\1\0\1\0\0\0\0;", 'a.gif', 'image/gif', 415, 'media_type_refused'],
    ['an old Word file', $OLE, 'a.doc', 'application/msword', 415, 'media_type_refused'],
    ['an old Excel file that is said to be Excel, which is CSV to browsers', $OLE, 'a.xls', 'application/vnd.ms-excel', 422, 'media_type_mismatch'],
    ['PNG that is said to be JPEG', $PNG, 'a.jpg', 'image/jpeg', 422, 'media_type_mismatch'],
    ['PDF that is said to be text', $PDF, 'a.txt', 'text/plain', 422, 'media_type_mismatch'],
    ['text with a NUL', "a\0b", 'a.txt', 'text/plain', 422, 'media_type_mismatch'],
    ['xlsx that is said to be docx', $XLSX, 'a.docx', "$OOXML.wordprocessingml.document", 422, 'media_type_mismatch'],
    ['zip that is said to be docx', $ZIP, 'a.docx', "$OOXML.wordprocessingml.document", 422, 'media_type_mismatch'],
    ['docx without [Content_Types].xml', zip_of(['word/document.xml', '<w/>']), 'a.docx', "$OOXML.wordprocessingml.document", 422, 'media_type_mismatch'],
    ['docx with macros', zip_of(['[Content_Types].xml', $TYPES], ['word/document.xml', '<w/>'], ['word/vbaProject.bin', 'x']),
        'a.docx', "$OOXML.wordprocessingml.document", 415, 'media_type_refused'],
    ['odt whose mimetype says something else', odf("$ODF.graphics"), 'a.odt', "$ODF.text", 415, 'media_type_refused'],
    ['a Java archive as zip', zip_of(['META-INF/MANIFEST.MF', 'x'], ['A.class', 'x']), 'a.zip', 'application/zip', 415, 'media_type_refused'],
    ['an archive cut short', substr($ZIP, 0, length($ZIP) - 5), 'a.zip', 'application/zip', 422, 'media_type_mismatch'],
    ['an archive with something behind it', $ZIP . $HTML, 'a.zip', 'application/zip', 422, 'media_type_mismatch'],
    ['an archive with something before it', "#!/bin/sh\n$ZIP", 'a.zip', 'application/zip', 422, 'media_type_mismatch'],
    ['JPEG and ZIP in one', $JPEG . $ZIP, 'a.jpg', 'image/jpeg', 422, 'media_type_mismatch'],
    ['PDF and ZIP in one', $PDF . $ZIP, 'a.pdf', 'application/pdf', 422, 'media_type_mismatch'],
    ['PNG with a script in it', substr($PNG, 0, 33) . "<script>alert(1)</script>" . substr($PNG, 33), 'a.png', 'image/png', 422, 'media_type_mismatch'],
    ['JPEG with PHP in it', substr($JPEG, 0, 40) . '<?php system("id"); ?>' . substr($JPEG, 40), 'a.jpg', 'image/jpeg', 422, 'media_type_mismatch'],
    ['PDF that begins as HTML', "<html>\n$PDF", 'a.pdf', 'application/pdf', 422, 'media_type_mismatch'],
  ) {
    my ($what, $bytes, $name, $type, $status, $code) = @$_;
    it "$what: $status $code" => sub { return problem(upload($user, $bytes, $name, $type), $status, $code) };
}
it 'an archive of more than 10,000 entries' => sub {
    my $n = 10_001;
    my ($local, $central) = ('', '');
    for my $i (1 .. $n) {
        my $name = sprintf '%05d', $i;
        my $at = length $local;
        $local .= "PK\3\4" . pack('v5V3v2', 10, 0, 0, 0, 33, 0, 0, 0, 5, 0) . $name;
        $central .= "PK\1\2" . pack('v6V3v5V2', 20, 10, 0, 0, 0, 33, 0, 0, 0, 5, 0, 0, 0, 0, 0, $at) . $name;
    }
    my $zip = $local . $central . "PK\5\6" . pack('v4V2v', 0, 0, $n, $n, length $central, length $local, 0);
    return problem(upload($user, $zip, 'a.zip', 'application/zip'), 415, 'media_type_refused');
};

# --- names -------------------------------------------------------------------------

for (
    ['a path', '../../etc/passwd', 'passwd.txt'], ["a path of Windows", 'C:\\dir\\a.txt', 'a.txt'],
    ['another ending', 'a.exe', 'a.exe.txt'], ['a turned reading direction', "\xe2\x80\xaetxt.exe", 'txt.exe.txt'],
    ['nothing', '', 'file.txt'], ['umlauts', "\xc3\x9c bersicht.txt", "\x{dc} bersicht.txt"],
  ) {
    my ($what, $sent, $kept) = @$_;
    it "a name that has $what" => sub { return (upload($user, "hello\n", $sent, 'text/plain')->{json}{file_name}, $kept) };
}
it 'a name of 1,000 characters' => sub {
    my $name = upload($user, "hello\n", ('x' x 1000) . '.txt', 'text/plain')->{json}{file_name};
    return ([length $name, substr $name, -4], [200, '.txt']);
};
it 'filename* goes before filename, and comes back' => sub {
    my ($type, $body) = form(['file', "hello\n", 'x.txt', 'text/plain']);
    $body =~ s/filename="x.txt"/filename="x.txt"; filename*=UTF-8''%e2%82%ac%20rates.txt/;
    my $r = api(POST => '/media', key => $user->{key}, body => $body, headers => { 'Content-Type' => $type });
    my $get = api(GET => "/media/$r->{json}{id}", key => $user->{key});
    return ([$r->{json}{file_name}, header($get, 'Content-Disposition')],
        ["\x{20ac} rates.txt", q{attachment; filename="_ rates.txt"; filename*=UTF-8''%E2%82%AC%20rates.txt}]);
};

# --- forms -------------------------------------------------------------------------

sub raw_form {
    my ($type, $body) = @_;
    return api(POST => '/media', key => $user->{key}, body => $body, headers => { 'Content-Type' => $type });
}
my ($FORM, $GOOD_BODY) = form(['file', "hello\n", 'a.txt', 'text/plain']);
my ($BOUNDARY) = $FORM =~ /boundary=(.*)/;
for (
    ['no boundary', 'multipart/form-data', $GOOD_BODY, 400, 'malformed_request'],
    ['another boundary', 'multipart/form-data; boundary=x', $GOOD_BODY, 400, 'malformed_request'],
    ['no end', $FORM, substr($GOOD_BODY, 0, -6), 400, 'malformed_request'],
    ['no body', $FORM, '', 400, 'malformed_request'],
    ['no disposition', $FORM, $GOOD_BODY =~ s/Content-Disposition/X-Disposition/r, 400, 'malformed_request'],
    ['a header of 9 KiB', $FORM, $GOOD_BODY =~ s/Content-Type: /'Content-Type: ' . ('x' x 9000)/er, 400, 'malformed_request'],
    ['base64', $FORM, $GOOD_BODY =~ s/Content-Type/Content-Transfer-Encoding: base64\r\nContent-Type/r, 400, 'malformed_request'],
    ['21 parts', $FORM, ("--$BOUNDARY\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" x 21) . $GOOD_BODY, 400, 'malformed_request'],
    ['JSON', 'application/json', '{}', 415, 'unsupported_media_type'],
    ['multipart/mixed', $FORM =~ s/form-data/mixed/r, $GOOD_BODY, 415, 'unsupported_media_type'],
  ) {
    my ($what, $type, $body, $status, $code) = @$_;
    it "a form with $what: $status $code" => sub { return problem(raw_form($type, $body), $status, $code) };
}
it 'a form without a file, one with two, one with a field nobody knows' => sub {
    my @got = map { my $r = raw_form(form(@$_)); [$r->{status}, map { "$_->{pointer} $_->{code}" } @{ $r->{json}{errors} || [] }] }
        [], [['file', 'a', 'a.txt', 'text/plain'], ['file', 'b', 'b.txt', 'text/plain']],
        [['file', 'a', 'a.txt', 'text/plain'], ['colour', 'red']], [['file', 'hello']], [['other', 'a', 'a.txt', 'text/plain']];
    return (\@got, [[422, '/file required'], [422, '/file length'], [422, '/colour unknown'], [422, '/file type'], [422, '/other unknown']]);
};
it 'nothing that was refused is left on disk' => sub {
    my @left = glob "$ENV{WA_TEST_DIR}/media/tmp/*";
    return (scalar @left, 0);
};

# --- how they come back --------------------------------------------------------------

step 'a file to look at' => sub {
    $id{look} = upload($user, join('', map { chr(65 + $_ % 26) } 0 .. 999), 'look.txt', 'text/plain')->{json}{id};
    return ($id{look}, UUID);
};
it 'its headers keep a browser from opening it' => sub {
    my $r = api(GET => "/media/$id{look}", key => $user->{key});
    return ({ map { $_ => header($r, $_) } qw(Content-Disposition X-Content-Type-Options Content-Security-Policy Content-Length Cache-Control ETag) },
        { 'Content-Disposition' => q{attachment; filename="look.txt"; filename*=UTF-8''look.txt}, 'X-Content-Type-Options' => 'nosniff',
            'Content-Security-Policy' => "default-src 'none'; sandbox", 'Content-Length' => 1000, 'Cache-Control' => 'no-store',
            ETag => '"' . sha256_hex($r->{content}) . '"' });
};
it 'HEAD has the same without the bytes' => sub {
    my $r = api(HEAD => "/media/$id{look}", key => $user->{key});
    return ([$r->{status}, header($r, 'Content-Length'), $r->{content}], [200, 1000, '']);
};
it 'a range of it' => sub {
    my $r = api(GET => "/media/$id{look}", key => $user->{key}, headers => { Range => 'bytes=26-28' });
    return ([$r->{status}, $r->{content}, header($r, 'Content-Range')], [206, 'ABC', 'bytes 26-28/1000']);
};
it 'a range behind its end' => sub {
    return (api(GET => "/media/$id{look}", key => $user->{key}, headers => { Range => 'bytes=5000-' })->{status}, 416);
};
it 'If-None-Match' => sub {
    my $etag = header(api(HEAD => "/media/$id{look}", key => $user->{key}), 'ETag');
    my @status = map { api(GET => "/media/$id{look}", key => $user->{key}, headers => { 'If-None-Match' => $_ })->{status} }
        $etag, qq{"x", $etag}, '"x"', '*';
    return (\@status, [304, 304, 200, 304]);
};
it 'the list, page by page' => sub {
    my ($next, @ids) = ('');
    do {
        my $r = api(GET => '/media?limit=10' . ($next ? "&cursor=$next" : ''), key => $user->{key});
        push @ids, map { $_->{id} } @{ $r->{json}{data} };
        $next = $r->{json}{next_cursor};
    } while $next;
    my %seen = map { $_ => 1 } @ids;
    my $rows = db("SELECT count(*) FROM media WHERE user_id = '$user->{id}'");
    return ([scalar @ids, scalar keys %seen, $ids[0]], [$rows, $rows, $id{look}]);
};

# --- whose they are --------------------------------------------------------------------

it "another's is not there" => sub {
    my @got = map { my $r = api($_ => "/media/$id{look}", key => $other->{key}); "$r->{status} $r->{json}{code}" } qw(GET DELETE);
    return (\@got, ['404 not_found', '404 not_found']);
};
it 'the same content is on disk once for a user, and once more for another' => sub {
    my $bytes = unique('the same content ');
    my @ids = map { upload($_->[0], $bytes, $_->[1], 'text/plain')->{json}{id} } [$user, 'a.txt'], [$user, 'b.txt'], [$other, 'a.txt'];
    my $in = join ',', map { "'$_'" } @ids;
    my @files = db("SELECT DISTINCT file FROM media WHERE id IN ($in)");
    my @on_disk = grep { -e } map { "$ENV{WA_TEST_DIR}/media/" . substr($_, 0, 2) . '/' . substr($_, 2, 2) . "/$_" } @files;
    my $first = sub { api(GET => "/media/$ids[$_[0]]", key => $_[1]{key})->{status} };
    api(DELETE => "/media/$ids[0]", key => $user->{key});
    my @after = ($first->(0, $user), $first->(1, $user), $first->(2, $other));
    api(DELETE => "/media/$ids[1]", key => $user->{key});
    my @left = grep { -e } @on_disk;
    return ([scalar @files, scalar @on_disk, @after, scalar @left, $first->(1, $user), $first->(2, $other)], [2, 2, 404, 200, 200, 1, 404, 200]);
};
it 'files are readable for nobody else' => sub {
    my $file = db("SELECT file FROM media WHERE id = '$id{look}'");
    my $dir = "$ENV{WA_TEST_DIR}/media/" . substr($file, 0, 2) . '/' . substr $file, 2, 2;
    return ([map { sprintf '%o', (stat)[2] & 07777 } "$dir/$file", $dir, "$ENV{WA_TEST_DIR}/media"], [600, 700, 700]);
};
it 'many uploads of one content at a time' => sub {
    my $bytes = unique('at a time ');
    my @got = parallel(8, sub { my $r = upload($user, $bytes, "$_[0].txt", 'text/plain'); return { s => $r->{status}, id => $r->{json}{id} } }, 1 .. 24);
    my @bad = grep { api(GET => "/media/$_->{id}", key => $user->{key})->{content} ne $bytes } @got;
    my $files = db("SELECT count(*) FROM media_files WHERE user_id = '$user->{id}' AND sha256 = decode('" . sha256_hex($bytes) . "', 'hex')");
    return ([scalar(grep { $_->{s} == 201 } @got), scalar @bad, $files], [24, 0, 1]);
};
it 'many uploads and deletions of one content at a time: no file is lost, none is left over' => sub {
    my $bytes = unique('coming and going ');
    my @got = parallel(8, sub {
        my $r = upload($user, $bytes, 'x.txt', 'text/plain');
        return { s => $r->{status} } if $r->{status} != 201;
        my $get = api(GET => "/media/$r->{json}{id}", key => $user->{key});
        my $deleted = api(DELETE => "/media/$r->{json}{id}", key => $user->{key});
        return { s => 201, get => $get->{status}, deleted => $deleted->{status} };
    }, 1 .. 64);
    my @odd = grep { $_->{s} != 503 && !($_->{s} == 201 && $_->{get} == 200 && $_->{deleted} == 204) } @got;
    my $sha = sha256_hex($bytes);
    wait_until { db("SELECT count(*) FROM media_files WHERE sha256 = decode('$sha', 'hex') AND dropped") == 0 } 30, 'the files are removed';
    return ([map { json($_) } @odd], []);
};

# --- large ones ----------------------------------------------------------------------------

# The answer to a request whose body is made by $next->(), which gives undef at
# its end; what was sent of it before the answer came.
sub sent {
    my ($headers, $next) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ENV{WA_TEST_PORT}, Timeout => 10) or die "connect: $!\n";
    local $SIG{PIPE} = 'IGNORE';
    my ($answer, $count) = ('', 0);
    syswrite $s, "POST /api/media HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer $user->{key}\r\nContent-Type: multipart/form-data; boundary=big\r\n$headers\r\n\r\n";
    my $select = IO::Select->new($s);
    while (defined(my $piece = $next->())) {
        last if $select->can_read(0);
        my $at = 0;
        while ($at < length $piece) { $at += syswrite($s, $piece, length($piece) - $at, $at) || last }
        last if $at < length $piece;
        $count += $at;
    }
    shutdown $s, 1;
    while ($select->can_read(60)) { last unless sysread $s, $answer, 65536, length $answer }
    return ($answer, $count);
}

my $MIB = 1024 * 1024;
my $HEAD = "--big\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.zip\"\r\nContent-Type: %s\r\n\r\n";
my $TAIL = "\r\n--big--\r\n";

# A file of that many MiB between a form's head and tail, by pieces of 1 MiB.
sub pieces {
    my ($mib, $type, $first, $chunked) = @_;
    my $piece = 'x' x $MIB;
    my @todo = (sprintf($HEAD, $type) . $first, ('') x $mib, $TAIL, $chunked ? 'end' : ());
    my $n = 0;
    return sub {
        my $next = shift @todo // return;
        return "0\r\n\r\n" if $next eq 'end' && $chunked;
        $next = $piece if $next eq '';
        return $chunked ? sprintf("%x\r\n", length $next) . "$next\r\n" : $next;
    };
}

sub length_of { my ($mib, $type, $first) = @_; return length(sprintf $HEAD, $type) + length($first) + $mib * $MIB + length $TAIL }
sub rss { my $kib = 0; for (httpd_children()) { log_text("/proc/$_/status") =~ /^VmRSS:\s+(\d+)/m and $kib += $1 } return $kib }

for my $chunked (0, 1) {
    my $how = $chunked ? 'chunked' : 'with its length';
    it "100 MiB $how raise Apache's memory by less than 4 MiB" => sub {
        parallel(8, sub { upload($user, $PDF, 'warm.pdf', 'application/pdf')->{status} }, 1 .. 64); # each child has looked at a file
        my $size = length_of(99, 'text/plain', '');
        my $before = rss();
        my ($peak, $next) = (0, pieces(99, 'text/plain', '', $chunked));
        my ($answer) = sent($chunked ? "Transfer-Encoding: chunked\r\nConnection: close" : "Content-Length: $size\r\nConnection: close",
            sub { my $rss = rss(); $peak = $rss if $rss > $peak; return $next->() });
        my $after = rss();
        $peak = $after if $after > $peak;
        my ($id) = $answer =~ /"id":"([^"]+)"/;
        show(sprintf 'RSS of all children: %d KiB before, %d at most, %d after', $before, $peak, $after);
        my ($status) = $answer =~ m{^HTTP/1.1 (\d+)};
        return ([$status, $peak - $before < 4096 ? 'flat' : $peak - $before], [201, 'flat']);
    };
}
it '100 MiB come back whole, and flat too' => sub {
    my $m = api(GET => '/media?limit=1', key => $user->{key})->{json}{data}[0];
    my $before = rss();
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ENV{WA_TEST_PORT}) or die "connect: $!\n";
    syswrite $s, "GET /api/media/$m->{id} HTTP/1.0\r\nAuthorization: Bearer $user->{key}\r\n\r\n";
    my ($buf, $head, $sha, $count, $peak) = ('', '', Digest::SHA->new(256), 0, 0);
    while (IO::Select->new($s)->can_read(60) && sysread $s, $buf, 1 << 20) {
        if ($head !~ /\r\n\r\n/) { $head .= $buf; $buf = $head =~ s/\A.*?\r\n\r\n//sr; next if $head !~ /\r\n\r\n/ }
        $sha->add($buf);
        $count += length $buf;
        if ($count % 50 == 0) { my $rss = rss(); $peak = $rss if $rss > $peak }
    }
    my $after = rss();
    $peak = $after if $after > $peak;
    return ([$count, $sha->hexdigest, $peak - $before < 4096 ? 'flat' : $peak - $before], [$m->{size}, $m->{sha256}, 'flat']);
};
it 'over its bound by its length: 413 before a byte of it is read' => sub {
    my ($answer, $count) = sent('Content-Length: ' . 300 * $MIB, sub { select undef, undef, undef, 0; return $_[0]++ ? undef : undef });
    return ([$answer =~ m{^HTTP/1.1 (\d+)}, $answer =~ /"code":"(\w+)"/, $count], [413, 'body_too_large', 0]);
};
it 'over the bound of its type by its length: 413 when its headers are read' => sub {
    my @todo = (sprintf $HEAD, 'image/jpeg');
    my ($answer) = sent('Content-Length: ' . 50 * $MIB, sub { shift @todo });
    return ([$answer =~ m{^HTTP/1.1 (\d+)}, $answer =~ /"code":"(\w+)"/], [413, 'media_too_large']);
};
it 'over it without a length: 413 soon after' => sub {
    my ($answer, $count) = sent("Transfer-Encoding: chunked", pieces(90, 'image/jpeg', $JPEG, 1));
    return ([$answer =~ m{^HTTP/1.1 (\d+)}, $answer =~ /"code":"(\w+)"/, $count < 60 * $MIB ? 'early' : $count], [413, 'media_too_large', 'early']);
};
it 'after all that nothing is left over' => sub {
    my $left;
    wait_until { $left = () = glob "$ENV{WA_TEST_DIR}/media/tmp/*"; !$left } 20, 'the uploads are cleared';
    return ($left, 0);
};

# --- the end ----------------------------------------------------------------------------------

it 'a disk that takes nothing: 503, and again when it does' => sub {
    my $dir = "$ENV{WA_TEST_DIR}/media";
    rename $dir, "$dir.away" or die "rename: $!\n";
    my $r = upload($user, "hello\n", 'a.txt', 'text/plain');
    rename "$dir.away", $dir or die "rename: $!\n";
    my $again = upload($user, "hello\n", 'a.txt', 'text/plain');
    return ([$r->{status}, $r->{json}{code}, header($r, 'Retry-After'), $again->{status}], [503, 'storage_unavailable', 5, 201]);
};
it 'when a user goes the files go' => sub {
    my $gone = new_user();
    my $id = upload($gone, unique('of one who goes '), 'a.txt', 'text/plain')->{json}{id};
    my $file = db("SELECT file FROM media WHERE id = '$id'");
    my $path = "$ENV{WA_TEST_DIR}/media/" . substr($file, 0, 2) . '/' . substr($file, 2, 2) . "/$file";
    my $there = -e $path ? 1 : 0;
    api(DELETE => "/users/$gone->{id}?confirm=$gone->{username}", key => admin_token());
    wait_until { !-e $path && db("SELECT count(*) FROM media_files WHERE name = '$file'") == 0 } 30, 'the file is removed';
    return ([$there, -e $path ? 1 : 0], [1, 0]);
};

run_tests;
