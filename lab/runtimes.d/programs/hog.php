<?php
$held = [];
for ($i = 0; $i < 1024; $i++) {
    $held[] = str_repeat('x', 1 << 20);
}
